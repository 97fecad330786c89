/** A field to search in: what was typed is searched for on Enter, and when the field is left. */
import { useState } from "react";
import { Icon } from "./Icon";

interface Props {
  label: string;
  /** What is searched for now, nothing if empty. */
  wanted: string;
  onSearch: (text: string) => void;
}

const LONGEST = 200;

export function SearchForm({ label, wanted, onSearch }: Props) {
  const [typed, setTyped] = useState(wanted);
  const search = () => typed.trim() !== wanted && onSearch(typed.trim());
  return (
    <form
      className="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        search();
      }}
    >
      <Icon name="search" />
      <input type="search" className="input" aria-label={label} placeholder={label} maxLength={LONGEST} value={typed} onChange={(event) => setTyped(event.target.value)} onBlur={search} />
    </form>
  );
}
