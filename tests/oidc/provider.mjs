// SPDX-License-Identifier: Apache-2.0
// A provider with two users and a few clients: `node provider.mjs PORT MODULES REDIRECT...`. Says "ready" when it listens.
import { pathToFileURL } from 'node:url';

const [port, modules, ...redirects] = process.argv.slice(2);
const { default: Provider, errors } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));
const issuer = `http://127.0.0.1:${port}`;
const people = {
  anna: { password: 'anna-pw', name: 'Anna', email: 'anna@corp.test', groups: ['engineers', 'cooks'] },
  bob: { password: 'bob-pw', name: 'Bob', email: 'bob@corp.test', groups: ['guests'] },
};
const client = (client_id, more = {}) => ({
  client_id, client_secret: `${client_id}-secret`, redirect_uris: redirects, response_types: ['code'],
  grant_types: ['authorization_code', 'client_credentials', 'password'], ...more,
});
const provider = new Provider(issuer, {
  clients: [client('virga'), client('other')],
  claims: { openid: ['sub'], email: ['email'], profile: ['name', 'preferred_username'], groups: ['groups'] },
  scopes: ['openid', 'email', 'profile', 'groups'],
  conformIdTokenClaims: false,
  async findAccount(ctx, sub) {
    const p = people[sub];
    return p && { accountId: sub, claims: async () => ({ sub, name: p.name, preferred_username: sub, email: p.email, groups: p.groups }) };
  },
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: async () => true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: async () => undefined,
      useGrantedResource: async () => true,
      getResourceServerInfo: async (ctx, resource) => ({
        scope: 'openid email profile groups', audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: resource.endsWith('short') ? 4 : 600,
      }),
    },
  },
  pkce: { required: () => false },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  cookies: { keys: ['for tests'] },
});
provider.registerGrantType('password', async (ctx) => {
  const { params, client } = ctx.oidc;
  const person = people[params.username];
  if (!person || person.password !== params.password) throw new errors.InvalidGrant('wrong password');
  const account = await provider.Account?.findAccount?.(ctx, params.username) ?? { accountId: params.username };
  const grant = new provider.Grant({ clientId: client.clientId, accountId: account.accountId });
  grant.addOIDCScope(params.scope ?? 'openid');
  await grant.save();
  const at = new provider.AccessToken({ client, accountId: account.accountId, grantId: grant.jti, scope: params.scope ?? 'openid', gty: 'password' });
  const id = new provider.IdToken({ sub: account.accountId, email: person.email, preferred_username: params.username, groups: person.groups }, { ctx, client });
  id.scope = params.scope; 
  const id_token = await id.issue({ use: 'idtoken' }).catch(() => undefined);
  ctx.body = { access_token: await at.save(), token_type: 'Bearer', expires_in: 600, id_token };
}, ['username', 'password', 'scope'], []);
// a login page without a page: the test's browser says who it is
provider.use(async (ctx, next) => {
  const m = /^\/interaction\/([^/]+)$/.exec(ctx.path);
  if (!m) return next();
  const details = await provider.interactionDetails(ctx.req, ctx.res);
  const who = ctx.query.user ?? 'anna';
  let result = { error: 'access_denied' };
  if (ctx.query.deny === undefined) {
    if (details.prompt.name === 'login') result = { login: { accountId: who } };
    else {
      const grant = new provider.Grant({ accountId: details.session.accountId, clientId: details.params.client_id });
      grant.addOIDCScope(details.params.scope);
      result = { consent: { grantId: await grant.save() } };
    }
  }
  ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: true }));
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
