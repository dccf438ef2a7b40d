/**
 * Passwords as they are stored: scrypt with its settings beside it, `scrypt$N$r$p$salt$hash` (base64url). Settings may be raised at any
 * time: what is stored says how it was made, and is made anew when its owner signs in.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'

export type PasswordCost = {
  /** Work and memory: 128 * N * r bytes. */
  N: number
  r: number
  p: number
}

/**
 * 16 MiB: an isolate has 128 MiB for all its requests. With five rounds this is OWASP's minimum of 2024; a check then takes some 200 ms of
 * CPU time in workerd (docs/users.md has the figures), in which the isolate does nothing else: the sign-in guard bounds how often.
 */
export function passwordCost(rounds: number): PasswordCost {
  return { N: 16_384, r: 8, p: rounds }
}

const SALT_BYTES = 16
const HASH_BYTES = 32
/** What a row may make this Worker spend: twice of each setting above. */
const MEMORY_BYTES_MAX = 64 * 1_048_576
const FORMAT = /^scrypt\$(\d{1,7})\$(\d{1,2})\$(\d{1,2})\$([\w-]{22})\$([\w-]{43})$/

export async function hashPassword(password: string, cost: PasswordCost): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const hash = await derive(password, salt, cost)
  return ['scrypt', cost.N, cost.r, cost.p, salt.toString('base64url'), hash.toString('base64url')].join('$')
}

/**
 * `stored` is undefined when there is no such user: that takes as long as a wrong password. Throws when what is stored is no hash of
 * ours: it was not written by this program.
 */
export async function matchesPassword(
  password: string,
  stored: string | undefined,
  cost: PasswordCost,
): Promise<boolean> {
  if (stored === undefined) {
    await derive(password, Buffer.alloc(SALT_BYTES), cost)
    return false
  }
  const { salt, hash, ...storedCost } = parse(stored)
  return timingSafeEqual(await derive(password, salt, storedCost), hash)
}

/** Whether it was made with less than what is asked for now. */
export function isWeak(stored: string, cost: PasswordCost): boolean {
  const { N, r, p } = parse(stored)
  return N < cost.N || N * r * p < cost.N * cost.r * cost.p
}

function parse(stored: string): PasswordCost & { salt: Buffer; hash: Buffer } {
  const [, N, r, p, salt = '', hash = ''] = FORMAT.exec(stored) ?? []
  if (N === undefined) throw new Error('A stored password has an unknown form.')
  return {
    N: Number(N),
    r: Number(r),
    p: Number(p),
    salt: Buffer.from(salt, 'base64url'),
    hash: Buffer.from(hash, 'base64url'),
  }
}

/** NFKC, as NIST SP 800-63B 3.1.1.2 has it: the same characters from another keyboard are the same password. */
function derive(password: string, salt: Buffer, { N, r, p }: PasswordCost): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFKC'), salt, HASH_BYTES, { N, r, p, maxmem: MEMORY_BYTES_MAX }, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })
}
