/** What people may be in a project, from the least to the most. */
export const ROLES = ["viewer", "analyst", "admin", "owner"] as const;
export type Role = (typeof ROLES)[number];

/** Whether a role is at least another; no role needed is enough for anybody. */
export function suffices(role: Role, needed: Role | undefined): boolean {
  return needed === undefined || ROLES.indexOf(role) >= ROLES.indexOf(needed);
}
