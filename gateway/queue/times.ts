/**
 * RFC 3339 in UTC with six digits of a second, for every line of the queue. `Date.toISOString` costs more than all the
 * rest of a line, so the text of the second is kept until the second changes and the digits come from tables.
 */

const two = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, "0"));
const three = Array.from({ length: 1000 }, (_, i) => String(i).padStart(3, "0"));
const minuteOfDay = Array.from({ length: 1440 }, (_, i) => `${two[Math.floor(i / 60)]}:${two[i % 60]}:`);

/**
 * A formatter with a memory of one day and one second.
 * @returns a function from µs since 1970 (`timeUsMin` to `timeUsMax`) to text such as 2026-01-02T03:04:05.678901Z
 */
export function timeFormatter(): (timeUs: number) => string {
  let day = -1;
  let dayText = "";
  let second = -1;
  let secondText = "";
  return (timeUs) => {
    const now = Math.floor(timeUs / 1_000_000);
    if (now !== second) {
      second = now;
      const today = Math.floor(now / 86_400);
      if (today !== day) {
        day = today;
        dayText = new Date(today * 86_400_000).toISOString().slice(0, 11);
      }
      const inDay = now - today * 86_400;
      const minute = Math.floor(inDay / 60);
      secondText = `${dayText}${minuteOfDay[minute]}${two[inDay - minute * 60]}.`;
    }
    const micros = timeUs - now * 1_000_000;
    const millis = Math.floor(micros / 1000);
    return `${secondText}${three[millis]}${three[micros - millis * 1000]}Z`;
  };
}
