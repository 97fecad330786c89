/** Says that groups do not add up to all, because somebody may be in several. */
import { t } from "../i18n/t";

export function NoSum() {
  return (
    <p className="muted" data-nosum="">
      {t("label.nosum")}
    </p>
  );
}
