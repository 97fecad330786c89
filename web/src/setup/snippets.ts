/** What somebody puts into a site or a program so that it sends here; each is true as it stands. */

export type SnippetId = "html" | "react" | "next" | "python" | "curl" | "segment" | "posthog" | "log";
export const SNIPPETS: readonly SnippetId[] = ["html", "react", "next", "python", "curl", "segment", "posthog", "log"];

export type Consent = "cookieless" | "granted" | "denied";

/** What the browser script is to do. */
export interface Choices {
  consent: Consent;
  /** Links out, downloads, forms, rage and dead clicks, errors. */
  interactions: boolean;
  /** Every click, by where it was. */
  clicks: boolean;
  vitals: boolean;
}
export const USUAL: Choices = { consent: "cookieless", interactions: false, clicks: false, vitals: false };

export interface Sender {
  /** Where the server is found, without a slash at the end. */
  url: string;
  publicKey: string;
  secretKey: string;
}

/** Snippets that run on a server, and so send with a secret key. */
export const ON_SERVERS: readonly SnippetId[] = ["python", "curl", "log"];

export function script(choices: Choices): "t.js" | "t.auto.js" | "t.full.js" {
  if (choices.vitals) return "t.full.js";
  return choices.interactions || choices.clicks ? "t.auto.js" : "t.js";
}

function attributes(choices: Choices): [string, string | null][] {
  return [
    ...(choices.consent === "cookieless" ? [] : [["data-consent", choices.consent] as [string, string]]),
    ...(choices.clicks ? [["data-auto-capture", null] as [string, null]] : []),
  ];
}

/** The line that a page carries. */
export function tag({ url, publicKey }: Sender, choices: Choices): string {
  const more = attributes(choices).map(([name, value]) => (value === null ? ` ${name}` : ` ${name}="${value}"`));
  return `<script defer src="${url}/${script(choices)}" data-key="${publicKey}"${more.join("")}></script>`;
}

export function snippet(id: SnippetId, sender: Sender, choices: Choices): string {
  const { url, publicKey, secretKey } = sender;
  switch (id) {
    case "html":
      return tag(sender, choices);
    case "react":
      return `<!-- index.html, inside <head> -->
${tag(sender, choices)}

// in any component
<button onClick={() => window.tallymark?.("signup", { plan: "pro" })}>Sign up</button>`;
    case "next":
      return `// app/layout.tsx
import Script from "next/script";

export default function RootLayout({ children }: { children: React.ReactNode }) {
  return (
    <html lang="en">
      <body>
        {children}
        <Script src="${url}/${script(choices)}" data-key="${publicKey}"${attributes(choices).map(([name, value]) => ` ${name}="${value ?? ""}"`).join("")} />
      </body>
    </html>
  );
}`;
    case "python":
      return `from tallymark_client import Client

tally = Client("${url}", "${secretKey}")
tally.track("signup", user_id="ana", properties={"plan": "pro"})
tally.close()`;
    case "curl":
      return curl(url, secretKey);
    case "segment":
      return `import { AnalyticsBrowser } from '@segment/analytics-next'

const analytics = AnalyticsBrowser.load({
  writeKey: '${publicKey}',
  cdnURL: '${url}',
})

analytics.page()
analytics.track('Signed Up', { plan: 'pro' })`;
    case "posthog":
      return `import posthog from 'posthog-js'

posthog.init('${publicKey}', { api_host: '${url}' })
posthog.capture('signed up', { plan: 'pro' })`;
    case "log":
      return `export TALLYMARK_KEY=${secretKey}
tallymark follow access-log /var/log/nginx/access.log --url ${url}`;
  }
}

/** A line for a terminal. With a public key what sends is taken for a visitor's, and curl by its own name for a robot. */
export function curl(url: string, key: string, name?: string): string {
  return `curl ${url}/tm/v1/events \\
${name ? `  -A ${name} \\\n` : ""}  -H "Authorization: Bearer ${key}" \\
  -H "Content-Type: application/json" \\
  -d '{"name": "signup", "user_id": "u-1"}'`;
}

/** What a site's content security policy must allow. */
export function policy(url: string): string {
  const { origin } = new URL(url);
  return `script-src ${origin}; connect-src ${origin}`;
}

export type Collected = "views" | "reading" | "source" | "device" | "dayid" | "lastingid" | "nothing" | "links" | "forms" | "frustration" | "errors" | "clicks" | "vitals";

/** What is collected of a visitor with these choices, in the order in which it matters. */
export function collected(choices: Choices): Collected[] {
  const whole = script(choices);
  return [
    ...(choices.consent === "denied" ? (["nothing"] as const) : []),
    "views",
    "reading",
    "source",
    "device",
    choices.consent === "granted" ? "lastingid" : "dayid",
    ...(whole === "t.js" ? [] : (["links", "forms", "frustration", "errors"] as const)),
    ...(choices.clicks ? (["clicks"] as const) : []),
    ...(choices.vitals ? (["vitals"] as const) : []),
  ];
}

/** Whether only this machine, or its own network, can reach an address. */
export function isPrivate(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]" || /^(127|10|192\.168|172\.(1[6-9]|2\d|3[01]))\./.test(hostname);
}
