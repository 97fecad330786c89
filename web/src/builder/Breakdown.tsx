/** The fields a number is split by. */
import { useState } from "react";
import { t } from "../i18n/t";
import { fieldName } from "../query/describe";
import { Button, IconButton } from "../ui/basics";
import { FieldBox } from "./choices";

export function Breakdown({ fields, onChange, most = 3 }: { fields: string[]; onChange: (fields: string[]) => void; most?: number }) {
  const [adding, setAdding] = useState(false);
  return (
    <span className="row tight">
      {fields.map((field, at) => (
        <span key={field} className="chip">
          <span className="chip-text">{fieldName(field)}</span>
          <IconButton icon="close" label={t("builder.removebreakdown", { what: fieldName(field) })} onClick={() => onChange(fields.filter((_, place) => place !== at))} />
        </span>
      ))}
      {adding ? (
        <FieldBox
          label={t("builder.addbreakdown")}
          value=""
          autoFocus
          onChange={(field) => {
            setAdding(false);
            if (!fields.includes(field)) onChange([...fields, field]);
          }}
        />
      ) : (
        fields.length < most && (
          <Button look="quiet" icon="plus" onClick={() => setAdding(true)}>
            {t("builder.addbreakdown")}
          </Button>
        )
      )}
    </span>
  );
}
