/** A field to choose one of many in: type to narrow, arrow keys to move, Enter to take. */
import { useContext, useMemo, useRef, useState } from "react";
import { Button } from "react-aria-components/Button";
import { ComboBox, ComboBoxStateContext } from "react-aria-components/ComboBox";
import { Header } from "react-aria-components/Header";
import { Input, type InputProps } from "react-aria-components/Input";
import { ListBox, ListBoxItem, ListBoxSection } from "react-aria-components/ListBox";
import { Popover } from "react-aria-components/Popover";
import { t } from "../i18n/t";
import { Icon } from "./Icon";

export interface Option {
  id: string;
  label: string;
  /** Shown in grey at the end of the line. */
  note?: string;
  faint?: boolean;
}
export interface OptionGroup {
  label: string;
  options: Option[];
}

interface ComboboxProps {
  label: string;
  groups: OptionGroup[];
  value: string | null;
  onChange: (id: string) => void;
  placeholder?: string;
  /** What was typed is a value too, though it is none of the options. */
  free?: boolean;
  autoFocus?: boolean;
}

const MOST_SHOWN = 200;

export function Combobox({ label, groups, value, onChange, placeholder, free, autoFocus }: ComboboxProps) {
  const [typed, setTyped] = useState<string | null>(null);
  const chosen = useMemo(() => groups.flatMap((one) => one.options).find((one) => one.id === value), [groups, value]);
  const shown = useMemo(() => narrowed(groups, typed ?? ""), [groups, typed]);
  return (
    <ComboBox
      className="combobox"
      aria-label={label}
      menuTrigger="focus"
      allowsEmptyCollection
      allowsCustomValue={free ?? false}
      selectedKey={value}
      inputValue={typed ?? chosen?.label ?? value ?? ""}
      onInputChange={setTyped}
      onOpenChange={(open) => {
        if (!open && !free) setTyped(null);
      }}
      onSelectionChange={(key) => {
        setTyped(null);
        if (key !== null && key !== value) onChange(String(key));
      }}
    >
      <div className="combobox-box">
        <Field
          className="input"
          placeholder={placeholder ?? label}
          autoFocus={autoFocus ?? false}
          onFocus={(event) => event.currentTarget.select()}
          onBlur={() => {
            if (free && typed !== null && typed !== value) onChange(typed);
            setTyped(null);
          }}
        />
        <Button className="combobox-open">
          <Icon name="down" size={12} />
        </Button>
      </div>
      <Popover className="popover combobox-list" offset={4}>
        <ListBox className="listbox" renderEmptyState={() => <p className="listbox-empty">{t("builder.nomatch")}</p>}>
          {shown.map((group) => (
            <ListBoxSection key={group.label} id={`group:${group.label}`}>
              <Header className="listbox-head">{group.label}</Header>
              {group.options.map((one) => (
                <ListBoxItem key={one.id} id={one.id} textValue={one.label} className={`listbox-item ${one.faint ? "faint" : ""}`}>
                  <span className="cut">{one.label}</span>
                  {one.note && <span className="note num">{one.note}</span>}
                </ListBoxItem>
              ))}
            </ListBoxSection>
          ))}
        </ListBox>
      </Popover>
    </ComboBox>
  );
}

/** The field of a combobox: a click opens its list also where it has the keyboard already. */
function Field(props: InputProps) {
  const state = useContext(ComboBoxStateContext);
  // Where the click brings the keyboard, the list opens by itself.
  const wasClosed = useRef(false);
  return (
    <Input
      {...props}
      onPointerDown={(event) => {
        wasClosed.current = document.activeElement === event.currentTarget && state?.isOpen === false;
      }}
      onClick={() => {
        if (wasClosed.current) state?.open(null, "manual");
        wasClosed.current = false;
      }}
    />
  );
}

/** Options that contain the letters typed, in their order; those that begin with them come first. */
export function narrowed(groups: OptionGroup[], typed: string): OptionGroup[] {
  const wanted = typed.trim().toLowerCase();
  let room = MOST_SHOWN;
  return groups
    .map((group) => {
      const scored = group.options
        .map((one) => ({ one, rank: rank(one.label.toLowerCase(), wanted) }))
        .filter(({ rank }) => rank < 4)
        .sort((a, b) => a.rank - b.rank)
        .slice(0, room);
      room -= scored.length;
      return { label: group.label, options: scored.map(({ one }) => one) };
    })
    .filter((group) => group.options.length > 0);
}

function rank(label: string, wanted: string): number {
  if (wanted === "" || label.startsWith(wanted)) return 0;
  if (label.includes(` ${wanted}`) || label.includes(`_${wanted}`)) return 1;
  if (label.includes(wanted)) return 2;
  let at = -1;
  for (const letter of wanted) {
    at = label.indexOf(letter, at + 1);
    if (at < 0) return 4;
  }
  return 3;
}
