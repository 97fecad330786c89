/** Something to look at or do before going on; Escape and a click beside it close it. */
import type { ReactNode } from "react";
import { Dialog as AriaDialog } from "react-aria-components/Dialog";
import { Heading } from "react-aria-components/Heading";
import { Modal, ModalOverlay } from "react-aria-components/Modal";
import { t } from "../i18n/t";
import { IconButton } from "./basics";

interface DialogProps {
  title: string;
  open: boolean;
  onClose: () => void;
  children: ReactNode;
  /** A drawer stands at the side, so that what it is about stays in sight. */
  look?: "box" | "drawer" | "palette";
}

export function Dialog({ title, open, onClose, children, look = "box" }: DialogProps) {
  return (
    <ModalOverlay className={`overlay ${look}`} isOpen={open} onOpenChange={(now) => !now && onClose()} isDismissable>
      <Modal className={`modal ${look}`}>
        <AriaDialog className="dialog">
          <div className={look === "palette" ? "sr" : "dialog-head"}>
            <Heading slot="title" className="dialog-title">
              {title}
            </Heading>
            {look !== "palette" && <IconButton label={t("common.close")} icon="close" onClick={onClose} />}
          </div>
          {children}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}
