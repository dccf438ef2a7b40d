/** `POST /auth/register`: opens an account for whoever asks, where a setting allows it. */
import { registrationSchema } from '../../contract/users.ts'
import { callerAddress } from '../caller-address.ts'
import { readJson } from '../read-json.ts'
import type { Route } from '../route.ts'

export const authRegister: Route = {
  method: 'POST',
  path: '/auth/register',
  errors: 'problem',
  access: 'open',
  body: 'small',
  async handle(context) {
    const registration = await readJson(context, registrationSchema)
    const address = callerAddress(context)
    return context.json(await context.get('ports').users.register({ registration, address }), 201)
  },
}
