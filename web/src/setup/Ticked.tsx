/** Text of the server in which names stand between backticks, with those as code. */
export function Ticked({ text }: { text: string }) {
  return <>{text.split("`").map((part, at) => (at % 2 === 1 ? <code key={at}>{part}</code> : part))}</>;
}
