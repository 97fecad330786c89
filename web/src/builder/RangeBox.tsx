/** The range of time: one of the usual, or two days. */
import { useState } from "react";
import { Button as AriaButton } from "react-aria-components/Button";
import { Dialog, DialogTrigger } from "react-aria-components/Dialog";
import { Popover } from "react-aria-components/Popover";
import { t, word } from "../i18n/t";
import { readRange } from "../query/dates";
import { describeRange } from "../query/describe";
import { Button } from "../ui/basics";
import { Icon } from "../ui/Icon";

const USUAL = ["today", "yesterday", "7d", "30d", "90d", "this_month", "last_month", "this_quarter", "12mo", "this_year"];

export function RangeBox({ value, onChange }: { value: string; onChange: (range: string) => void }) {
  const [open, setOpen] = useState(false);
  const given = /^(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)?$/.exec(value);
  const [since, setSince] = useState(given?.[1] ?? "");
  const [until, setUntil] = useState(given?.[2] ?? "");
  const choose = (range: string) => {
    onChange(range);
    setOpen(false);
  };
  const named = word("range", value);
  return (
    <DialogTrigger isOpen={open} onOpenChange={setOpen}>
      <AriaButton className="button plain" aria-label={`${t("range.label")}: ${describeRange(value)}`}>
        <Icon name="calendar" />
        {named === value ? describeRange(value) : named}
        <Icon name="down" size={12} />
      </AriaButton>
      <Popover className="popover" placement="bottom end">
        <Dialog className="dialog-plain range" aria-label={t("range.label")}>
          <div className="range-usual">
            {USUAL.map((one) => (
              <button key={one} type="button" className="range-one" aria-pressed={one === value} onClick={() => choose(one)}>
                {word("range", one)}
              </button>
            ))}
          </div>
          <InWords onChoose={choose} />
          <form
            className="stack"
            onSubmit={(event) => {
              event.preventDefault();
              if (since && (!until || since <= until)) choose(`${since}..${until}`);
            }}
          >
            <h3>{t("range.custom")}</h3>
            <label className="field">
              {t("range.from")}
              <input type="date" className="input" value={since} max={until || undefined} onChange={(event) => setSince(event.target.value)} />
            </label>
            <label className="field">
              {t("range.to")}
              <input type="date" className="input" value={until} min={since || undefined} onChange={(event) => setUntil(event.target.value)} />
            </label>
            <Button look="main" type="submit" disabled={!since}>
              {t("range.apply")}
            </Button>
          </form>
        </Dialog>
      </Popover>
    </DialogTrigger>
  );
}

/** Dates as people write them; what is meant is shown before it is taken. */
function InWords({ onChoose }: { onChoose: (range: string) => void }) {
  const [text, setText] = useState("");
  const found = text.trim() === "" ? null : readRange(text);
  return (
    <form
      className="stack range-words"
      onSubmit={(event) => {
        event.preventDefault();
        if (found) onChoose(found);
      }}
    >
      <label className="field">
        {t("range.text")}
        <input className="input" value={text} placeholder={t("range.text.example")} onChange={(event) => setText(event.target.value)} />
      </label>
      <span className="row tight" role="status">
        <span className="muted">{text.trim() === "" ? "" : found ? describeRange(found) : t("range.text.wrong")}</span>
        {found && (
          <Button look="main" type="submit">
            {t("range.text.apply")}
          </Button>
        )}
      </span>
    </form>
  );
}
