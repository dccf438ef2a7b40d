/**
 * A configuration for plain `workerd serve`. Not wrangler dev: its proxy and inspector cost more than the Worker itself.
 * SQLite Durable Objects live in a folder on the local disk; there is no KV, D1 or queue.
 */

export type WorkerdOptions = {
  /** File name of the Worker's one module, beside the configuration. */
  module: string
  compatibilityDate: string
  compatibilityFlags: readonly string[]
  vars: Readonly<Record<string, string>>
  /** Binding name -> class. */
  durableObjects: Readonly<Record<string, string>>
  /** Where objects are stored: an absolute path, which must exist. */
  storageFolder: string
}

/** Cap'n Proto text. The port is the kernel's choice: workerd tells it over --control-fd. */
export function workerdConfig(options: WorkerdOptions): string {
  const classes = [...new Set(Object.values(options.durableObjects))]
  const bindings = [
    ...Object.entries(options.vars).map(([name, value]) => `(name = ${quote(name)}, text = ${quote(value)})`),
    ...Object.entries(options.durableObjects).map(
      ([name, className]) => `(name = ${quote(name)}, durableObjectNamespace = ${quote(className)})`,
    ),
  ]
  const objects = [
    `durableObjectNamespaces = [ ${classes
      .map((name) => `(className = ${quote(name)}, uniqueKey = ${quote(`bench-${name}`)}, enableSql = true)`)
      .join(', ')} ],`,
    'durableObjectStorage = (localDisk = "storage"),',
  ]
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["public", "private"])),
    ${classes.length > 0 ? `(name = "storage", disk = (path = ${quote(options.storageFolder)}, writable = true)),` : ''}
  ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "main") ]
);
const worker :Workerd.Worker = (
  modules = [ (name = ${quote(options.module)}, esModule = embed ${quote(options.module)}) ],
  compatibilityDate = ${quote(options.compatibilityDate)},
  compatibilityFlags = [ ${options.compatibilityFlags.map(quote).join(', ')} ],
  ${classes.length > 0 ? objects.join('\n  ') : ''}
  bindings = [ ${bindings.join(', ')} ]
);
`
}

/** Cap'n Proto's strings are C's; JSON's escapes are a subset but for \\u, which no setting needs. */
function quote(text: string): string {
  return JSON.stringify(text)
}
