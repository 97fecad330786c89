// What the script's own tag and the page around it say; nothing here is sent or stored.

export const win = window as any;
export const doc = document;
export const nav = navigator as any;

const tag = (doc.currentScript || doc.querySelector("script[data-key]")) as HTMLScriptElement;

/** Returns what an attribute of the tag says, or what holds without it. */
export const attribute = (name: string, otherwise = ""): string =>
  tag.getAttribute("data-" + name) ?? otherwise;

/** Returns whether a choice is switched on: the attribute is there and does not say `off`. */
export const has = (name: string): boolean => attribute(name, "off") != "off";

/** The server: where the script came from, also under a prefix, unless `data-api` names another. */
export const server: string =
  attribute("api").replace(/\/$/, "") || tag.src.replace(/(\/t\/[^/]*)?\/[^/]*$/, "");

/** Returns what a function gives; undefined if it throws, as storage and hooks of others may. */
export const attempt = <T>(act: () => T): T | undefined => {
  try {
    return act();
  } catch {
    return;
  }
};

/** Calls a function whenever something happens. */
export const on = (
  target: EventTarget,
  name: string,
  act: (event: any) => void,
  options?: AddEventListenerOptions | boolean,
): void => target.addEventListener(name, act, options);

/**
 * Returns an id that nothing else has; `randomUUID` is missing on pages without https.
 *
 * Of a letter first, because some that begin otherwise look like secrets to whoever looks for those.
 */
export const newId = (): string =>
  "t" +
  Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");

const kept = attribute("params", "utm_source,utm_medium,utm_campaign,utm_term,utm_content,ref").split(",");

/** Returns an address without user, fragment and query; pages keep the parameters that are allowed. */
export const scrubbed = (address: string, isPage?: boolean): string =>
  attempt(() => {
    const url = new URL(address);
    const query = new URLSearchParams();
    url.searchParams.forEach((value, name) => isPage && kept.includes(name) && query.append(name, value));
    const asked = "" + query;
    // A route in the fragment, `#/cart` or `#!/cart`, is the path for those who say so.
    const route = isPage && has("hash") && /^#!?(\/[^?]*)/.exec(url.hash);
    return (
      url.protocol + "//" + url.host +
      (route ? url.pathname.replace(/\/$/, "") + route[1] : url.pathname) +
      (asked && "?" + asked)
    );
  }) || "";
