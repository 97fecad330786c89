/** Events known by the names that are usual for them, whatever tool or person gave them. */

/** The steps that a sign-up passes, in order. */
const SIGNUP: readonly RegExp[] = [
  /^(sign.?up|register|registration).?(view|page|open)/i,
  /^(sign.?up|register|registration).?(start|begin|begun)/i,
  /(e.?mail|account).?(confirm|verif)/i,
  /^(sign.?up|signed.?up|register(ed)?|registration|account.?created)(.?(complete|completed|done|finish|finished))?$/i,
];
const PAGE = /^\$?(page|screen).?views?(ed)?$|^viewed (a )?page$/i;
const PAID: readonly RegExp[] = [
  /^(order|purchase|checkout|payment|transaction)s?.?(complete|completed|placed|paid|done|succeeded|success|finished|made)$/i,
  /^(purchased?|bought|paid|ordered|subscribed|upgraded|order|checkout)$/i,
  /^(subscription|plan|trial).?(started|created|bought|upgraded|activated|converted)$/i,
];

/** Return the events that a sign-up passes, in order; none if there are none. */
export function signupSteps(events: readonly string[]): string[] {
  return [...new Set(SIGNUP.map((one) => firstOf(one, events)).filter((name) => name !== undefined))];
}

/** Return the event of having signed up. */
export function signedUp(events: readonly string[]): string | undefined {
  return firstOf(SIGNUP.at(-1)!, events);
}

/** Return the event of looking at a page. */
export function pageViewed(events: readonly string[]): string | undefined {
  return firstOf(PAGE, events);
}

/** Return the event of having bought something. */
export function paid(events: readonly string[]): string | undefined {
  return PAID.map((one) => firstOf(one, events)).find((name) => name !== undefined);
}

function firstOf(pattern: RegExp, events: readonly string[]): string | undefined {
  return events.find((name) => pattern.test(name));
}
