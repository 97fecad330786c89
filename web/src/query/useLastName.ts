/** The name that an address ends in, whatever signs it has; the router decodes some of them twice. */
import { useLocation } from "wouter";

/** Return it decoded, empty if it cannot be. */
export function useLastName(): string {
  // Draws again when the address changes.
  useLocation();
  return lastName(location.pathname);
}

export function lastName(path: string): string {
  try {
    return decodeURIComponent(path.slice(path.lastIndexOf("/") + 1));
  } catch {
    return "";
  }
}
