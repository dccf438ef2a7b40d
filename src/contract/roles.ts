/** Bundles of scopes with a name, from all to little. src/auth/roles.ts says what each may do. */
export const ROLES = ['owner', 'admin', 'developer', 'member', 'viewer'] as const

export type Role = (typeof ROLES)[number]
