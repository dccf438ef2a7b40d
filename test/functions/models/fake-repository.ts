/**
 * A Hub that keeps files as the real one does: the address of a file answers with its commit, SHA-256 and length, and redirects to a store on
 * another host. Headers and codes: huggingface_hub's file_download.py and utils/_http.py.
 */
import { createHash } from 'node:crypto'
import { type FakeHub, fakeHub, serve } from './fake-hub.ts'

export type FakeRepository = {
  url: string
  hub: FakeHub
  store: FakeHub
  /** What `main` and its commit are from now on; older commits are gone unless `keepOld`. */
  commit(bytes: Buffer, options?: { keepOld?: boolean }): string
  close(): Promise<void>
}

export type RepositoryOptions = {
  repository: string
  path: string
  bytes: Buffer
  /** Answers strangers as a repository whose terms must be accepted. */
  token?: string
  /** The store sends these bytes whatever is asked for. */
  storeSends?: Buffer
}

export async function fakeRepository(options: RepositoryOptions): Promise<FakeRepository> {
  const { repository, path, token } = options
  const revisions = new Map<string, { commit: string; bytes: Buffer }>()
  let count = 0
  const commit: FakeRepository['commit'] = (bytes, { keepOld = false } = {}) => {
    if (!keepOld) revisions.clear()
    const name = createHash('sha1').update(String(count++)).digest('hex')
    revisions.set(name, { commit: name, bytes })
    revisions.set('main', { commit: name, bytes })
    return name
  }
  commit(options.bytes)

  const byDigest = (digest: string) => [...revisions.values()].find(({ bytes }) => sha256(bytes) === digest)?.bytes
  const store = await fakeHub((request, response, number) => {
    const bytes = options.storeSends ?? byDigest(request.url?.slice(1) ?? '')
    if (!bytes) return response.writeHead(404).end()
    serve(bytes)(request, response, number)
  })
  const hub = await fakeHub((request, response) => {
    const refuse = (status: number, code: string) => response.writeHead(status, { 'x-error-code': code }).end()
    const [owner, name, resolve, revision = '', ...rest] = (request.url ?? '')
      .slice(1)
      .split('/')
      .map(decodeURIComponent)
    if (`${owner}/${name}` === `old/${repository.split('/')[1]}`) {
      return response
        .writeHead(307, { location: (request.url ?? '').replace('/old/', `/${repository.split('/')[0]}/`) })
        .end()
    }
    if (`${owner}/${name}` !== repository || resolve !== 'resolve') return refuse(401, 'RepoNotFound')
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) return refuse(401, 'GatedRepo')
    const found = revisions.get(revision)
    if (!found) return refuse(404, 'RevisionNotFound')
    if (rest.join('/') !== path) return refuse(404, 'EntryNotFound')
    const digest = sha256(found.bytes)
    const headers = {
      'x-repo-commit': found.commit,
      'x-linked-size': found.bytes.length,
      'x-linked-etag': `"${digest}"`,
      location: `${store.url}/${digest}`,
    }
    response.writeHead(302, headers).end('Found. Redirecting')
  })
  return {
    url: hub.url,
    hub,
    store,
    commit,
    close: async () => {
      await Promise.all([hub.close(), store.close()])
    },
  }
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
