/**
 * What admins do with users, and how somebody opens an account himself. One rule beyond the scope of the route: nobody gives, changes
 * or removes a role that may more than he himself may.
 */
import type { Principal } from '../chat/ports.ts'
import type { Role } from '../contract/roles.ts'
import { AppError } from '../errors.ts'
import type { Users } from '../http/ports.ts'
import { answeringStore } from '../while-store-answers.ts'
import type { Guard } from './guard-client.ts'
import { makeId } from './make-id.ts'
import { hashPassword, type PasswordCost } from './password-hash.ts'
import { scopesOfRole } from './roles.ts'
import { REGISTRATION_POLICY } from './sign-in-backoff.ts'
import { userObject } from './user-object.ts'
import type { StoredUser, UserFields, UserStore } from './user-store.ts'

/** Whoever opens an account himself may talk to models in the default tenant, and no more. */
const REGISTERED = { tenantId: 'tnt_default', role: 'member' } as const

export type UserAdminOptions = {
  store: UserStore
  guard: Guard
  cost: PasswordCost
  registrationIsOpen: boolean
  nowMs: () => number
  /** After a write with rows in `change`. */
  changed: () => Promise<void>
}

export function userAdmin(options: UserAdminOptions): Users {
  const { guard, cost, registrationIsOpen, nowMs, changed } = options
  const store = answeringStore(options.store)

  async function insert(
    tenantId: string,
    user: { email: string; password: string; name?: string | undefined; role: Role },
  ) {
    const createdAtMs = nowMs()
    const stored: StoredUser = {
      user_id: makeId('usr', createdAtMs),
      tenant_id: tenantId,
      email: user.email,
      name: user.name ?? null,
      role: user.role,
      status: 'active',
      password_hash: await hashPassword(user.password, cost),
      created_at_ms: createdAtMs,
    }
    const outcome = await store.insert(stored)
    if (outcome === 'inserted') return userObject(stored)
    if (outcome === 'no_tenant') {
      throw new AppError('resource_not_found', 'There is no such tenant.', { param: 'tenant_id' })
    }
    throw new AppError('already_exists', 'There is a user of this e-mail address.', { param: 'email' })
  }

  /** The user, when it is one of this tenant's that `by` may touch. */
  async function found(by: Principal, tenantId: string, userId: string): Promise<StoredUser> {
    const user = await store.byId(tenantId, userId)
    if (!user) throw noSuchUser()
    refuseMoreThan(by, user.role, tenantId)
    return user
  }

  return {
    create({ by, tenantId, user }) {
      refuseMoreThan(by, user.role, tenantId)
      return insert(tenantId, user)
    },

    async list(tenantId, { after = '', limit }) {
      const rows = await store.page(tenantId, after, limit + 1)
      return { data: rows.slice(0, limit).map(userObject), hasMore: rows.length > limit }
    },

    async get({ tenantId, userId }) {
      const user = await store.byId(tenantId, userId)
      if (!user) throw noSuchUser()
      return userObject(user)
    },

    async change({ by, tenantId, userId, change }) {
      const was = await found(by, tenantId, userId)
      if (change.role !== undefined) refuseMoreThan(by, change.role, tenantId)
      const { name, role, status, password } = change
      const fields: UserFields = {
        ...(name === undefined ? {} : { name }),
        ...(role === undefined ? {} : { role }),
        ...(status === undefined ? {} : { status }),
        ...(password === undefined ? {} : { password_hash: await hashPassword(password, cost) }),
      }
      if (!(await store.update(was, fields, nowMs()))) {
        throw new AppError('stale_write', 'The user was changed by somebody else meanwhile. Read it again.')
      }
      await changed()
      return userObject({ ...was, ...fields })
    },

    async remove({ by, tenantId, userId }) {
      await store.remove(await found(by, tenantId, userId), nowMs())
      await changed()
    },

    async register({ registration, address }) {
      if (!registrationIsOpen) throw new AppError('not_found', 'Accounts are opened by an admin here.')
      const fromAddress = await guard.enter('registration', address, REGISTRATION_POLICY)
      if (!fromAddress.allowed) {
        throw new AppError('rate_limited', 'Too many accounts were opened from this address.', {
          retryAfterSeconds: fromAddress.retryAfterSeconds,
        })
      }
      return insert(REGISTERED.tenantId, { ...registration, role: REGISTERED.role })
    },
  }
}

function refuseMoreThan(by: Principal, role: Role, tenantId: string): void {
  if (scopesOfRole(role, tenantId).every((scope) => by.scopes.includes(scope))) return
  throw new AppError('permission_denied', `The role ${role} may more than you, so it is not yours to give or change.`)
}

/** Another tenant's user is the same answer as none. */
function noSuchUser(): AppError {
  return new AppError('resource_not_found', 'There is no such user.')
}
