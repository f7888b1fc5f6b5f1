/** The secret of an environment that holds the SSH key its hosts are reached with. Part of the public contract. */
export const SSH_KEY = 'SSH_PRIVATE_KEY';
