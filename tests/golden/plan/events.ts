// Events of the tracking plan, made by `tallymark plan gen typescript`; changes here are lost.

/** `__ ____ import os _` 1-0-0, owned by __ ___ */
export interface ImportOs {
  "share"?: 0.5 | 1;
  "groups"?: ReadonlyArray<unknown>;
}

/** `checkout_completed` 2-1-0, owned by payments@ */
export interface CheckoutCompleted {
  "amount": number;
  "currency": "EUR" | "USD";
  "email"?: string;
  "lines"?: ReadonlyArray<number>;
  "rating"?: 1 | 2;
  "gift"?: boolean;
  "odd \"name\" */"?: Record<string, unknown>;
}

/** `class` 1-0-0 */
export interface Class {
}

export interface Events {
  "*/ \"\"\"; import os #": ImportOs;
  "checkout_completed": CheckoutCompleted;
  "class": Class;
}

export const versions: Record<keyof Events, string> = {
  "*/ \"\"\"; import os #": "1-0-0",
  "checkout_completed": "2-1-0",
  "class": "1-0-0",
};

export type Track = <Name extends keyof Events>(name: Name, properties: Events[Name]) => void;

/** Returns a `track` that takes planned events only, and says which version each is of. */
export function planned(
  send: (name: string, properties: Record<string, unknown>) => void,
): Track {
  return (name, properties) => send(name, { ...properties, schema_version: versions[name] });
}
