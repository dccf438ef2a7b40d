/** Tenants, for who runs the installation: the routes need scopes that no other tenant's key can have. */
import type { TenantView } from '../contract/tenants.ts'
import { unixSeconds } from '../contract/unix-seconds.ts'
import { AppError } from '../errors.ts'
import type { TenantAdmin } from '../http/ports.ts'
import { answeringStore } from '../while-store-answers.ts'
import { makeId } from './make-id.ts'
import { INSTALLATION_TENANT } from './roles.ts'
import type { TenantRecord, TenantStore } from './tenant-store.ts'

/** `changed` tells all isolates; see src/directory/directory.ts. */
export function tenantAdmin(options: {
  store: TenantStore
  changed: () => Promise<void>
  nowMs: () => number
}): TenantAdmin {
  const { changed, nowMs } = options
  const store = answeringStore(options.store)

  async function existing(id: string): Promise<TenantRecord> {
    const tenant = await store.one(id)
    if (!tenant) throw new AppError('resource_not_found', 'There is no such tenant.')
    return tenant
  }

  return {
    async create({ name }) {
      const id = makeId('tnt', nowMs())
      if (!(await store.insert(id, name, nowMs()))) throw nameTaken()
      return viewOf(await existing(id))
    },

    async list(page) {
      const tenants = await store.page(page)
      const data = tenants.slice(0, page.limit).map(viewOf)
      return { data, hasMore: tenants.length > data.length }
    },

    get: async (id) => viewOf(await existing(id)),

    async patch(id, { name, status }) {
      await existing(id)
      if (status === 'suspended') refuseInstallation(id)
      const fields = { ...(name === undefined ? {} : { name }), ...(status === undefined ? {} : { status }) }
      if (!(await store.update(id, fields, nowMs()))) throw nameTaken()
      await changed()
      return viewOf(await existing(id))
    },

    async remove(id) {
      refuseInstallation(id)
      await existing(id)
      await store.remove(id, nowMs())
      await changed()
    },
  }
}

/** Nobody could undo it. */
function refuseInstallation(id: string): void {
  if (id !== INSTALLATION_TENANT) return
  throw new AppError('invalid_request', 'The tenant of who runs the installation must stay active.')
}

function nameTaken(): AppError {
  return new AppError('already_exists', 'Another tenant has this name.', { param: 'name' })
}

function viewOf({ id, name, status, createdAtMs, updatedAtMs }: TenantRecord): TenantView {
  return {
    object: 'tenant',
    id,
    name,
    status,
    created_at: unixSeconds(createdAtMs),
    updated_at: unixSeconds(updatedAtMs),
  }
}
