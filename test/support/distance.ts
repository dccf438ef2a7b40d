/**
 * Bindings as they are from far away: each call to a Durable Object, to D1, KV or Upstash takes a round trip, KV answers what was true
 * a while ago, and any of them fails, hangs or is aborted when told to. Wraps real bindings and stand-ins alike; the clock is passed
 * in, so a test needs no waiting and a bench uses the real one.
 */

/** 60 to 120 ms is what lies between a colo and an object or database on another continent. */
const ROUND_TRIP_MS = 120
/** Cloudflare promises "60 seconds or more" until a write is seen elsewhere. */
const KV_STALE_MS = 90_000

type Trouble = 'fails' | 'hangs'

export type Distance = {
  /** The same env with every store far away, each under the name of its binding. */
  env<Env extends object>(env: Env): Env
  database(name: string, db: D1Database): D1Database
  keyValue(name: string, namespace: KVNamespace): KVNamespace
  objects<Namespace extends object>(name: string, namespace: Namespace): Namespace
  /** For Upstash: calls whose URL `isFar` says so take a round trip; the others go through at once. */
  fetch(name: string, fetch: typeof globalThis.fetch, isFar: (url: string) => boolean): typeof globalThis.fetch
  /** One call to anything else under this name. */
  call<Value>(name: string, work: () => Value | Promise<Value>): Promise<Value>
  /** From now on, until `undefined` is said. */
  trouble(name: string, trouble: Trouble | undefined): void
  /** Calls to these objects that are under way fail, as when a deployment evicts them. `evict` does the same to the real ones. */
  abort(name: string, evict?: () => void | Promise<void>): Promise<void>
}

export type DistanceOptions = {
  nowMs: () => number
  sleep: (ms: number) => Promise<void>
  roundTripMs?: number
  kvStaleMs?: number
  /** For a virtual clock: told when the real call begins; what it returns, when it ends. */
  working?: () => () => void
}

export function distance(options: DistanceOptions): Distance {
  const {
    nowMs,
    sleep,
    roundTripMs = ROUND_TRIP_MS,
    kvStaleMs = KV_STALE_MS,
    working = () => () => undefined,
  } = options
  const troubles = new Map<string, Trouble>()
  const aborts = new Map<string, number>()

  async function call<Value>(name: string, work: () => Value | Promise<Value>): Promise<Value> {
    const abortsBefore = aborts.get(name)
    await sleep(roundTripMs / 2)
    await meet(name)
    const done = working()
    let result: Value
    try {
      result = await work()
    } finally {
      done()
    }
    await sleep(roundTripMs / 2)
    await meet(name)
    if (aborts.get(name) !== abortsBefore) throw new Error(`${name}: the object was aborted.`)
    return result
  }

  async function meet(name: string): Promise<void> {
    const trouble = troubles.get(name)
    if (trouble === 'hangs') await new Promise(() => undefined)
    if (trouble === 'fails') throw new Error(`${name} is down.`)
  }

  function database(name: string, db: D1Database): D1Database {
    const near = new WeakMap<object, D1PreparedStatement>()
    const statement = (original: D1PreparedStatement): D1PreparedStatement => {
      const far = methodsOf(original, (method, args) =>
        method === 'bind' ? statement(apply(original, method, args)) : call(name, () => apply(original, method, args)),
      )
      near.set(far, original)
      return far
    }
    const original = (far: D1PreparedStatement) => near.get(far) ?? far
    return methodsOf(db, (method, args) => {
      if (method === 'prepare') return statement(apply(db, method, args))
      if (method === 'withSession') return database(name, apply(db, method, args))
      // Sound: the only argument of `batch` is a list of statements.
      const near = method === 'batch' ? [(args[0] as D1PreparedStatement[]).map(original)] : args
      return call(name, () => apply(db, method, near))
    })
  }

  /** What was written through any of the wrappers made here, with its time. Text only. */
  const histories = new Map<string, { atMs: number; value: string | null }[]>()

  function keyValue(name: string, namespace: KVNamespace): KVNamespace {
    const write = (key: string, value: string | null, work: () => Promise<void>) =>
      call(name, async () => {
        const history = histories.get(`${name}/${key}`) ?? [
          { atMs: Number.NEGATIVE_INFINITY, value: await namespace.get(key) },
        ]
        await work()
        history.push({ atMs: nowMs(), value })
        histories.set(`${name}/${key}`, history)
      })
    const read = async (key: string): Promise<string | null> => {
      const history = histories.get(`${name}/${key}`)
      const seen = history?.findLast(({ atMs }) => atMs <= nowMs() - kvStaleMs)
      return seen ? seen.value : namespace.get(key)
    }
    return methodsOf(namespace, (method, [key, ...args]) => {
      // Sound: the arguments are those of KVNamespace's methods.
      const name_ = key as string
      switch (method) {
        case 'put':
          return write(name_, args[0] as string, () => namespace.put(name_, args[0] as string, args[1] as object))
        case 'delete':
          return write(name_, null, () => namespace.delete(name_))
        case 'get':
          return call(name, async () => {
            const text = await read(name_)
            const type = typeof args[0] === 'object' && args[0] !== null && 'type' in args[0] ? args[0].type : args[0]
            return type === 'json' && text !== null ? JSON.parse(text) : text
          })
        case 'list':
          return call(name, () => namespace.list(key as KVNamespaceListOptions))
        default:
          throw new Error(`KV from afar has no ${method}: add it to test/support/distance.ts.`)
      }
    })
  }

  function objects<Namespace extends object>(name: string, namespace: Namespace): Namespace {
    return methodsOf(namespace, (method, args) => {
      const made: unknown = apply(namespace, method, args)
      if (method !== 'get' && method !== 'getByName') return made
      // Sound: both give a stub, whose members are `id`, `name` and methods.
      return methodsOf(made as object, (rpc, values) => call(name, () => apply(made as object, rpc, values)))
    })
  }

  return {
    call,
    database,
    keyValue,
    objects,
    env(env) {
      const far = (name: string, binding: unknown): unknown => {
        if (typeof binding !== 'object' || binding === null) return binding
        if ('getByName' in binding) return objects(name, binding)
        // Sound: no other bindings have these methods.
        if ('getWithMetadata' in binding) return keyValue(name, binding as KVNamespace)
        if ('prepare' in binding) return database(name, binding as D1Database)
        return binding
      }
      // Sound: each binding is replaced by one of its own type.
      return Object.fromEntries(Object.entries(env).map(([name, binding]) => [name, far(name, binding)])) as typeof env
    },
    fetch: (name, fetch, isFar) => (input, init) => {
      const url = input instanceof Request ? input.url : String(input)
      return isFar(url) ? call(name, () => fetch(input, init)) : fetch(input, init)
    },
    trouble(name, trouble) {
      if (trouble) troubles.set(name, trouble)
      else troubles.delete(name)
    },
    async abort(name, evict) {
      aborts.set(name, (aborts.get(name) ?? 0) + 1)
      await evict?.()
    },
  }
}

/** The same object, but each call of a method goes through `through`. A stub is not thenable, whatever it answers. */
function methodsOf<Target extends object>(
  target: Target,
  through: (method: string, args: unknown[]) => unknown,
): Target {
  return new Proxy(target, {
    get(_, name) {
      if (typeof name === 'symbol' || name === 'then') return undefined
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (...args: unknown[]) => through(name, args) : value
    },
  })
}

// biome-ignore lint/suspicious/noExplicitAny: what a method of a foreign object returns; each caller says what it is.
function apply(target: object, method: string, args: unknown[]): any {
  // Stubs of objects make a method of whatever name is read.
  return Reflect.apply(Reflect.get(target, method, target), target, args)
}
