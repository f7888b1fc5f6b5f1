import type { Route } from '../http/route.ts';
import type { Services } from '../services.ts';
import { githubRoutes } from './github.routes.ts';
import { SignInLimits } from './limits.ts';
import { memberRoutes } from './member.routes.ts';
import { HashLine } from './password.ts';
import { sessionRoutes } from './session.routes.ts';
import type { Accounts } from './sign-in.ts';
import { tokenRoutes } from './token.routes.ts';
import { Tries } from './tries.ts';
import { userRoutes } from './user.routes.ts';

/** Everything about who people are: sessions, users, members of projects, API tokens. */
export function accountRoutes(services: Services): Route[] {
  const accounts: Accounts = {
    services,
    line: new HashLine(),
    limits: new SignInLimits(new Tries(services)),
  };
  return [
    ...sessionRoutes(accounts),
    ...githubRoutes(accounts),
    ...userRoutes(services),
    ...memberRoutes(services),
    ...tokenRoutes(services),
  ];
}
