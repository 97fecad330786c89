/** What stands where an answer would: while it comes, when there is none, and why. */
import { Component, type ReactNode } from "react";
import { Problem } from "../api/client";
import { t } from "../i18n/t";
import { Button, Copy } from "./basics";
import { Icon, type IconName } from "./Icon";

export function Skeleton({ height = 240 }: { height?: number }) {
  return (
    <div className="pulse skeleton" style={{ blockSize: height }} role="status" aria-label={t("common.loading")}>
      <i className="bone" />
      <i className="bone" />
      <i className="bone" />
    </div>
  );
}

export function Empty({ title, children, icon = "search" }: { title: string; children?: ReactNode; icon?: IconName }) {
  return (
    <div className="empty" role="status">
      <Icon name={icon} size={28} />
      <h3>{title}</h3>
      {children}
    </div>
  );
}

export function ErrorBox({ error, retry }: { error: unknown; retry?: () => void }) {
  const problem = error instanceof Problem ? error : new Problem({ code: "PAGE", status: 0, detail: String(error) });
  const denied = problem.status === 403;
  return (
    <div className="error-box" role="alert">
      <Icon name="warn" size={20} />
      <div>
        <h3>{denied ? t("state.denied") : t("state.error")}</h3>
        <p>{problem.message}</p>
        {problem.hint && <p className="muted">{problem.hint}</p>}
        {denied && <p className="muted">{t("state.denied.who")}</p>}
        <p className="muted">
          <code>{problem.code}</code> {problem.requestId && t("state.request", { id: problem.requestId })}
        </p>
        <div className="row">
          {retry && !denied && <Button onClick={retry}>{t("common.retry")}</Button>}
          <Copy label={t("common.details")} text={`${problem.code} ${problem.status} ${problem.message} ${problem.requestId} ${problem.path ?? ""}`.trim()} />
        </div>
      </div>
    </div>
  );
}

/** A part that fails to draw must not take the others along. */
export class Contained extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error };
  }

  override render(): ReactNode {
    return this.state.error ? <ErrorBox error={this.state.error} retry={() => this.setState({ error: null })} /> : this.props.children;
  }
}
