/** Who we are to AWS. */
import { AppError } from '../errors.ts'

export type AwsIdentity = {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
  expiration?: Date
}

/**
 * Gives the same object as long as that is good: a client is made for each. Asked before every call, so it answers from memory when it
 * can. Rejects with an AppError.
 */
export type AwsCredentials = () => Promise<AwsIdentity>

/** Letters that neither part of a key has, so that one secret can hold both. */
const IN_ONE = /^(?<accessKeyId>\w{4,128}):(?<secretAccessKey>[^:\s]{1,256})(:(?<sessionToken>[^:\s]{1,8192}))?$/

/**
 * Keys that never change, for development; in production credentials should live for an hour. `secretOf` gives a secret of the Worker.
 * The one named `secret` holds `ID:SECRET` or `ID:SECRET:TOKEN`; without a name there are UPSTREAM_AWS_ACCESS_KEY_ID,
 * UPSTREAM_AWS_SECRET_ACCESS_KEY and, where it is needed, UPSTREAM_AWS_SESSION_TOKEN.
 */
export function staticCredentials(
  secretOf: (name: string) => string | undefined,
  secret: string | undefined,
): AwsCredentials {
  const identity = secret === undefined ? readParts(secretOf) : readOne(secretOf(secret))
  return async () => {
    if (identity) return identity
    const cause = new Error(
      `No AWS keys in ${secret ?? 'UPSTREAM_AWS_ACCESS_KEY_ID and UPSTREAM_AWS_SECRET_ACCESS_KEY'}.`,
    )
    throw new AppError('upstream_misconfigured', 'The model is set up wrongly on our side.', { cause })
  }
}

function readParts(secretOf: (name: string) => string | undefined): AwsIdentity | undefined {
  const accessKeyId = secretOf('UPSTREAM_AWS_ACCESS_KEY_ID')
  const secretAccessKey = secretOf('UPSTREAM_AWS_SECRET_ACCESS_KEY')
  const sessionToken = secretOf('UPSTREAM_AWS_SESSION_TOKEN')
  if (!accessKeyId || !secretAccessKey) return undefined
  return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) }
}

function readOne(text: string | undefined): AwsIdentity | undefined {
  const { accessKeyId, secretAccessKey, sessionToken } = IN_ONE.exec(text ?? '')?.groups ?? {}
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
}
