import Activity from '@lucide/svelte/icons/activity';
import Boxes from '@lucide/svelte/icons/boxes';
import Cpu from '@lucide/svelte/icons/cpu';
import Hand from '@lucide/svelte/icons/hand';
import Inbox from '@lucide/svelte/icons/inbox';
import ScrollText from '@lucide/svelte/icons/scroll-text';
import Server from '@lucide/svelte/icons/server';
import Users from '@lucide/svelte/icons/users';

/** The places that are always one press away: `g` and the key. `users` is for administrators only. */
export const PLACES = [
  { word: 'Projects', href: '/', icon: Boxes, key: 'p', adminOnly: false },
  { word: 'Queue', href: '/queue', icon: Activity, key: 'q', adminOnly: false },
  { word: 'Waiting for a yes', href: '/waiting', icon: Hand, key: 'w', adminOnly: false },
  { word: 'Servers', href: '/servers', icon: Server, key: 's', adminOnly: false },
  { word: 'Runners', href: '/runners', icon: Cpu, key: 'r', adminOnly: false },
  { word: 'Deliveries', href: '/deliveries', icon: Inbox, key: 'd', adminOnly: false },
  { word: 'Audit', href: '/audit', icon: ScrollText, key: 'a', adminOnly: false },
  { word: 'Users', href: '/users', icon: Users, key: 'u', adminOnly: true },
] as const;
