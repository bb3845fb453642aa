/** Times as producers write them, turned into µs since 1970. Pure. */
import { timeUsMax, timeUsMin } from "../../../shared/limits.ts";

/** True where a reading may carry this time. */
export function isTimeUs(timeUs: number): boolean {
  return Number.isSafeInteger(timeUs) && timeUs >= timeUsMin && timeUs <= timeUsMax;
}

const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function daysOf(year: number, month: number): number {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return month === 2 && leap ? 29 : (monthDays[month - 1] ?? 0);
}

/** Days from 1970-01-01, counted in years that begin in March, so that a leap day is a year's last. */
function dayNumber(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
}

/** The two digits at `at`; NaN where they are none. */
function pair(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

/**
 * Reads an RFC 3339 date-time; digits below a µs are cut off. Date.parse is not used: it takes other forms as well,
 * and knows only ms.
 * @returns µs since 1970, possibly outside the range of a reading; NaN where the text is no such date-time
 */
export function rfc3339Us(text: string): number {
  const year = pair(text, 0) * 100 + pair(text, 2);
  const month = pair(text, 5);
  const day = pair(text, 8);
  const hour = pair(text, 11);
  const minute = pair(text, 14);
  const second = pair(text, 17);
  const separator = text.charCodeAt(10) | 32;
  if (text[4] !== "-" || text[7] !== "-" || text[13] !== ":" || text[16] !== ":") return Number.NaN;
  // 116 is "t"; a blank, which the RFC allows for readability, is 32.
  if (separator !== 116 && separator !== 32) return Number.NaN;
  // The negated form also catches NaN. Second 60 is a leap second and counts as the next second's 0.
  if (!(day >= 1 && day <= daysOf(year, month) && hour <= 23 && minute <= 59 && second <= 60)) return Number.NaN;

  let at = 19;
  let fractionUs = 0;
  if (text[at] === ".") {
    let scale = 100_000;
    at += 1;
    const start = at;
    for (let digit = text.charCodeAt(at) - 48; digit >= 0 && digit <= 9; digit = text.charCodeAt(at) - 48) {
      if (scale >= 1) fractionUs += digit * scale;
      scale /= 10;
      at += 1;
    }
    if (at === start) return Number.NaN;
  }
  const offsetMinutes = zoneMinutes(text, at);
  const seconds = dayNumber(year, month, day) * 86_400 + hour * 3_600 + (minute - offsetMinutes) * 60 + second;
  return seconds * 1_000_000 + fractionUs;
}

function zoneMinutes(text: string, at: number): number {
  const sign = text[at];
  if ((sign === "Z" || sign === "z") && text.length === at + 1) return 0;
  if ((sign !== "+" && sign !== "-") || text.length !== at + 6 || text[at + 3] !== ":") return Number.NaN;
  const hours = pair(text, at + 1);
  const minutes = pair(text, at + 4);
  if (!(hours <= 23 && minutes <= 59)) return Number.NaN;
  return sign === "-" ? -(hours * 60 + minutes) : hours * 60 + minutes;
}
