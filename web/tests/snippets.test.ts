import { expect, test } from "vitest";
import { collected, isPrivate, policy, script, snippet, SNIPPETS, tag, USUAL } from "../src/setup/snippets";

const sender = { url: "https://stats.example.org/base", publicKey: "pk_1", secretKey: "sk_2" };

test("the script has what was chosen and no more", () => {
  expect(script(USUAL)).toBe("t.js");
  expect(script({ ...USUAL, interactions: true })).toBe("t.auto.js");
  expect(script({ ...USUAL, clicks: true })).toBe("t.auto.js");
  expect(script({ ...USUAL, vitals: true })).toBe("t.full.js");
  expect(tag(sender, USUAL)).toBe('<script defer src="https://stats.example.org/base/t.js" data-key="pk_1"></script>');
  expect(tag(sender, { consent: "denied", interactions: false, clicks: true, vitals: false })).toBe('<script defer src="https://stats.example.org/base/t.auto.js" data-key="pk_1" data-consent="denied" data-auto-capture></script>');
});

test.each(SNIPPETS)("%s names the server and a key, a secret one only where nobody else can read it", (id) => {
  const text = snippet(id, sender, USUAL);
  expect(text).toContain(sender.url);
  expect(text.includes("sk_2")).toBe(["python", "curl", "log"].includes(id));
  expect(text.includes("pk_1")).toBe(!["python", "curl", "log"].includes(id));
});

test("what is collected grows with what is chosen, and nothing before a choice is said first", () => {
  expect(collected(USUAL)).toEqual(["views", "reading", "source", "device", "dayid"]);
  expect(collected({ consent: "denied", interactions: true, clicks: true, vitals: true })[0]).toBe("nothing");
  expect(collected({ ...USUAL, vitals: true })).toContain("forms");
});

test("the policy allows the origin, and private addresses are told from public ones", () => {
  expect(policy(sender.url)).toBe("script-src https://stats.example.org; connect-src https://stats.example.org");
  expect(["http://localhost:8410", "http://127.0.0.1", "http://10.0.0.3", "http://172.20.0.1", "http://192.168.1.2", "http://[::1]:1"].every(isPrivate)).toBe(true);
  expect(["https://stats.example.org", "http://172.40.0.1", "http://11.0.0.1"].some(isPrivate)).toBe(false);
});
