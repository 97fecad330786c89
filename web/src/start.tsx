/** How every page starts: its styles, what becomes of a tab after an upgrade, and where it is drawn. */
import { StrictMode, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/ui.css";
import "./styles/screens.css";
import "./styles/boards.css";

export function start(page: ReactNode): void {
  // After an upgrade an old tab asks for files that are gone: the page is loaded again, once.
  window.addEventListener("vite:preloadError", (event) => {
    if (sessionStorage.getItem("tallymark.reloaded")) return;
    sessionStorage.setItem("tallymark.reloaded", "1");
    event.preventDefault();
    location.reload();
  });
  createRoot(document.getElementById("root")!).render(<StrictMode>{page}</StrictMode>);
}
