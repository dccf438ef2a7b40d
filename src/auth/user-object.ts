/** A stored user as the API shows one: never with the hash of the password. */
import { unixSeconds } from '../contract/unix-seconds.ts'
import type { UserObject } from '../contract/users.ts'
import type { StoredUser } from './user-store.ts'

export function userObject(user: StoredUser): UserObject {
  return {
    id: user.user_id,
    object: 'user',
    tenant_id: user.tenant_id,
    email: user.email,
    name: user.name,
    role: user.role,
    status: user.status,
    created_at: unixSeconds(user.created_at_ms),
  }
}
