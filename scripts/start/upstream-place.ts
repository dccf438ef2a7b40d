/** What `--upstream` names: a preset, or an address with or without the `/v1`. Pure. */
import { type AuthKind, PRESET_NAMES, PRESETS, type PresetName } from '../../src/contract/provider-presets.ts'
import { hasPlaceholder } from '../../src/registry/with-preset.ts'

export type UpstreamPlace = {
  preset: PresetName | undefined
  /** Without the path. */
  url: string
  /** Whether a deployment must say it: the preset has another, or none. */
  isOwnUrl: boolean
  /** What may stand before `/models`, to be tried in this order. */
  paths: readonly string[]
  auth: AuthKind
  /** Where people have this provider's key; undefined where the address is not the provider's. */
  keyEnv: string | undefined
}

export type ParsedPlace = { kind: 'place'; place: UpstreamPlace } | { kind: 'wrong'; message: string }

/** `url` is `--upstream-url`. */
export function upstreamPlace(upstream: string, url: string | undefined): ParsedPlace {
  const named = PRESET_NAMES.find((name) => name === upstream)
  if (named) return placeOfPreset(named, url)
  if (url !== undefined) return wrong(`--upstream-url goes with the name of a preset: ${PRESET_NAMES.join(', ')}`)
  const base = readBase(upstream)
  if (base === undefined) {
    return wrong(
      `--upstream must be an http(s) URL without user, query and fragment, or one of ${PRESET_NAMES.join(', ')}`,
    )
  }
  const known = presetAt(base)
  if (known) return placeOfPreset(known, undefined)
  const isVersioned = base.endsWith('/v1')
  return {
    kind: 'place',
    place: {
      preset: undefined,
      url: isVersioned ? base.slice(0, -'/v1'.length) : base,
      isOwnUrl: true,
      paths: isVersioned ? ['/v1'] : ['/v1', ''],
      auth: 'bearer',
      keyEnv: undefined,
    },
  }
}

function placeOfPreset(preset: PresetName, given: string | undefined): ParsedPlace {
  const { url, path, auth, keyEnv } = PRESETS[preset]
  if (given === undefined && hasPlaceholder(url)) {
    return wrong(`${preset} has an address of its own for every account: add --upstream-url ${url}`)
  }
  const own = given === undefined ? undefined : readBase(given)
  if (given !== undefined && own === undefined)
    return wrong('--upstream-url must be an http(s) URL without user, query and fragment')
  const base = own !== undefined && path !== '' && own.endsWith(path) ? own.slice(0, -path.length) : own
  return {
    kind: 'place',
    place: {
      preset,
      url: base ?? url,
      isOwnUrl: base !== undefined,
      paths: [path],
      auth,
      keyEnv: base === undefined || hasPlaceholder(url) ? keyEnv : undefined,
    },
  }
}

/** Without slashes at its end. */
function readBase(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const { protocol, username, password, search, hash, href } = new URL(text)
  const isPlain = username === '' && password === '' && search === '' && hash === ''
  return isPlain && /^https?:$/.test(protocol) ? href.replace(/\/+$/, '') : undefined
}

/** A provider's own address is its preset; on one's own machine a port tells nothing. */
function presetAt(base: string): PresetName | undefined {
  const { host, protocol } = new URL(base)
  return PRESET_NAMES.find((name) => {
    const { url } = PRESETS[name]
    return protocol === 'https:' && !hasPlaceholder(url) && url.startsWith('https:') && new URL(url).host === host
  })
}

function wrong(message: string): ParsedPlace {
  return { kind: 'wrong', message }
}
