/** Writes lines for ever, until its reader is gone. */
import { endWithReader, openVoice } from "../../shared/voice.ts";

endWithReader();
const voice = openVoice();
setInterval(() => voice.say("line"), 1);
