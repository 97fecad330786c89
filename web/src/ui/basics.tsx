/** The small parts of every screen. */
import type { ButtonHTMLAttributes, ReactNode } from "react";
import { useId, useState } from "react";
import { t } from "../i18n/t";
import { Icon, type IconName } from "./Icon";

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: "main" | "plain" | "quiet";
  icon?: IconName;
}

export function Button({ look = "plain", icon, children, className = "", ...rest }: ButtonProps) {
  return (
    <button type="button" className={`button ${look} ${className}`} {...rest}>
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

/** A button that shows a sign alone; its name is said and shown when it is pointed at. */
export function IconButton({ label, icon, className = "", ...rest }: ButtonHTMLAttributes<HTMLButtonElement> & { label: string; icon: IconName }) {
  return (
    <button type="button" className={`icon-button ${className}`} aria-label={label} title={label} {...rest}>
      <Icon name={icon} />
    </button>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  options: readonly (readonly [T, string])[];
  onChange: (value: T) => void;
  /** Say the label, but do not show it. */
  quiet?: boolean;
}

/** One of a few; the platform's own list, which every device knows to show. */
export function Choice<T extends string>({ label, value, options, onChange, quiet }: ChoiceProps<T>) {
  const id = useId();
  return (
    <span className="choice">
      <label htmlFor={id} className={quiet ? "sr" : "choice-label"}>
        {label}
      </label>
      <span className="choice-box">
        <select id={id} value={value} onChange={(event) => onChange(event.target.value as T)}>
          {options.map(([one, name]) => (
            <option key={one} value={one}>
              {name}
            </option>
          ))}
        </select>
        <Icon name="down" size={12} />
      </span>
    </span>
  );
}

export function Badge({ tone = "plain", children }: { tone?: "plain" | "good" | "warn" | "bad" | "accent"; children: ReactNode }) {
  return <span className={`badge ${tone}`}>{children}</span>;
}

export function Key({ children }: { children: ReactNode }) {
  return <kbd className="key">{children}</kbd>;
}

/** Text to be copied as it is: a command, a key, a question. */
export function Code({ text, label }: { text: string; label?: string }) {
  return (
    <div className="code">
      <pre tabIndex={0} aria-label={label}>
        {text}
      </pre>
      <Copy text={text} />
    </div>
  );
}

export function Copy({ text, label = t("common.copy") }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  return (
    <Button
      look="quiet"
      icon={done ? "good" : "copy"}
      onClick={async () => {
        await copy(text);
        setDone(true);
        setTimeout(() => setDone(false), 1_500);
      }}
    >
      {done ? t("common.copied") : label}
    </Button>
  );
}

export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https the clipboard is closed; an invisible field still works.
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}
