/**
 * Keys and values of what was read and answered, kept beside the rows so that a later prompt that begins alike need not be computed
 * again. A tree over token ids in blocks: what conversations share is stored once, and more of them are kept than there are rows.
 *
 * Exactness: keys and values that a decode run made, or that were made on top of such, differ in the last bits from those that a chunk
 * of a prompt makes (README.md, "The same tokens whatever the batch"). Every block knows how many of its leading tokens are exact, and
 * only those may serve a request that asks for sameness. Exact data replaces other data of the same tokens.
 *
 * Knows neither requests nor the model. Everything here is synchronous, so nothing is evicted while it is read.
 */
import { floats } from './native-memory.ts'

/** Small enough that little is copied twice where two conversations part within a block, large enough that copying is fast. */
export const BLOCK_TOKENS = 32

/** Where keys and values come from and go to; a block is float [BLOCK_TOKENS * tokenFloats], laid out as the rows' owner likes. */
export type PrefixRows = {
  /** Numbers that the keys and values of one token are. */
  tokenFloats: number
  /** Copies `count` tokens of a row, from `position`, to a block, from its token `at`. */
  saveTokens(row: number, position: number, count: number, block: Float32Array, at: number): void
  /** The reverse. */
  loadTokens(row: number, position: number, count: number, block: Float32Array, at: number): void
}

/** Whose keys and values: they depend on the adapter, null being the model itself. */
export type AdapterName = string | null

export type StoredPrefix = {
  /** How many leading tokens are there. */
  length: number
  /** How many leading ones of those are exact. */
  exact: number
  nodes: readonly Node[]
}

export type PrefixStore = {
  /** The longest beginning of `tokens` that is stored, of at most `limit` tokens. Valid until the next `save` or `forget`. */
  find(adapter: AdapterName, tokens: readonly number[], limit: number, wanted: 'exact' | 'any'): StoredPrefix
  /** Copies the tokens from..to-1 of a prefix, just found, into a row that holds the ones before them. */
  load(prefix: StoredPrefix, row: number, from: number, to: number): void
  /**
   * Stores what row `row` holds of `tokens`, the first `exact` of which are exact, as far as it is not there yet.
   * @returns how many leading tokens are stored now: fewer than given when there is no room
   */
  save(adapter: AdapterName, tokens: readonly number[], row: number, exact: number): number
  /** Drops all that was computed with an adapter: it is unloaded, or another one has its name now. */
  forget(adapter: AdapterName): void
  /** Blocks that hold something, blocks that hold nothing any more, and the bytes of the former. */
  usage(): { blocks: number; free: number; bytes: number }
}

type Node = {
  parent: Node | null
  /** At most BLOCK_TOKENS; only a full node has children, and no node begins with all of a sibling's tokens. */
  tokens: number[]
  /** How many leading tokens are exact. Above 0 only where all before this block are. */
  exact: number
  data: Float32Array
  children: Node[]
  /** When it was last read or written, in turns of the store. */
  used: number
}

/** @param bytesMax of all blocks together; too little for one block stores nothing */
export function createPrefixStore(rows: PrefixRows, bytesMax: number): PrefixStore {
  const blockFloats = BLOCK_TOKENS * rows.tokenFloats
  const blocksMax = Math.floor(bytesMax / (blockFloats * Float32Array.BYTES_PER_ELEMENT))
  const roots = new Map<AdapterName, Node>()
  const nodes = new Set<Node>()
  /** Memory is never given back: what was needed once will be again. */
  const free: Float32Array[] = []
  let turn = 0

  /** Memory for a block, taken from whoever was not needed for longest; never from `needed`. */
  function takeBlock(needed: Node): Float32Array | null {
    const spare = free.pop()
    if (spare !== undefined) return spare
    if (nodes.size < blocksMax) return floats(blockFloats)
    let oldest: Node | null = null
    for (const node of nodes) {
      if (node.children.length > 0 || node === needed) continue
      if (oldest === null || node.used < oldest.used) oldest = node
    }
    if (oldest === null) return null
    remove(oldest)
    return free.pop() ?? null
  }

  function remove(node: Node) {
    nodes.delete(node)
    free.push(node.data)
    const siblings = node.parent?.children ?? []
    siblings.splice(siblings.indexOf(node), 1)
  }

  return {
    find(adapter, tokens, limit, wanted) {
      const found: Node[] = []
      let length = 0
      let exact = 0
      let node = roots.get(adapter)
      while (node !== undefined && length < limit) {
        const best = closest(node.children, tokens, length, limit, wanted)
        if (best.common === 0 || best.child === undefined) break
        found.push(best.child)
        if (exact === length) exact += Math.min(best.common, best.child.exact)
        length += best.common
        node = best.common === BLOCK_TOKENS ? best.child : undefined
      }
      return { length, exact, nodes: found }
    },
    load(prefix, row, from, to) {
      turn++
      for (const [index, node] of prefix.nodes.entries()) {
        node.used = turn
        const start = Math.max(from, index * BLOCK_TOKENS)
        const end = Math.min(to, (index + 1) * BLOCK_TOKENS)
        if (start < end) rows.loadTokens(row, start, end - start, node.data, start - index * BLOCK_TOKENS)
      }
    },
    save(adapter, tokens, row, exact) {
      turn++
      let node = rootOf(adapter)
      for (let depth = 0; depth < tokens.length; depth += BLOCK_TOKENS) {
        const end = Math.min(depth + BLOCK_TOKENS, tokens.length)
        const child = childFor(node, tokens, depth, end)
        if (child === null) return depth
        child.used = turn
        write(child, tokens, row, depth, end, clamp(exact - depth, 0, end - depth))
        node = child
      }
      return tokens.length
    },
    forget(adapter) {
      const all = [...(roots.get(adapter)?.children ?? [])]
      for (let node = all.pop(); node !== undefined; node = all.pop()) {
        all.push(...node.children)
        nodes.delete(node)
        free.push(node.data)
      }
      roots.delete(adapter)
    },
    usage: () => ({
      blocks: nodes.size,
      free: free.length,
      bytes: nodes.size * blockFloats * Float32Array.BYTES_PER_ELEMENT,
    }),
  }

  function rootOf(adapter: AdapterName): Node {
    const known = roots.get(adapter)
    if (known !== undefined) return known
    const root = { ...{ parent: null, tokens: [], exact: 0, data: new Float32Array(0) }, children: [], used: 0 }
    roots.set(adapter, root)
    return root
  }

  /** The child that holds these tokens or can be made to; a new, empty one where there is none, or null where there is no room. */
  function childFor(node: Node, tokens: readonly number[], from: number, to: number): Node | null {
    const { child, common } = closest(node.children, tokens, from, to, 'any')
    // One of the two is the beginning of the other: no second block is needed.
    if (child !== undefined && (common === child.tokens.length || common === to - from)) return child
    const data = takeBlock(node)
    if (data === null) return null
    const made: Node = { parent: node, tokens: [], exact: 0, data, children: [], used: turn }
    node.children.push(made)
    nodes.add(made)
    return made
  }

  /** Adds to a node what it lacks of the tokens from..to-1, and makes it exact as far as the row is. */
  function write(node: Node, tokens: readonly number[], row: number, from: number, to: number, exact: number) {
    const known = node.tokens.length
    if (exact > node.exact) {
      rows.saveTokens(row, from + node.exact, exact - node.exact, node.data, node.exact)
      node.exact = exact
    }
    const start = Math.max(known, node.exact)
    if (from + start < to) rows.saveTokens(row, from + start, to - from - start, node.data, start)
    for (let position = from + known; position < to; position++) node.tokens.push(tokens[position] ?? 0)
  }
}

/** The child that shares the most tokens with `tokens` from `from`, and the more exact of two that share as many. */
function closest(
  children: readonly Node[],
  tokens: readonly number[],
  from: number,
  to: number,
  wanted: 'exact' | 'any',
): { child: Node | undefined; common: number } {
  let best: Node | undefined
  let bestCommon = 0
  for (const child of children) {
    const longest = Math.min(wanted === 'exact' ? child.exact : child.tokens.length, to - from)
    if (longest < bestCommon) continue
    let common = 0
    while (common < longest && child.tokens[common] === tokens[from + common]) common++
    if (common < bestCommon || common === 0) continue
    if (common === bestCommon && child.exact <= (best?.exact ?? 0)) continue
    best = child
    bestCommon = common
  }
  return { child: best, common: bestCommon }
}

const clamp = (value: number, least: number, most: number) => Math.min(Math.max(value, least), most)
