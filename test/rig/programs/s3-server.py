"""OpenStack Swift with its S3 API: one replica, below the directory given, all four servers in this process.

Prints the port it answers at, and ends when its standard input does. Key `test:tester`, secret `testing`.
"""

import array
import os
import sys

import eventlet
import eventlet.wsgi

eventlet.monkey_patch()

from eventlet import listen, spawn, tpool
from swift.common import utils

ROOT = os.path.abspath(sys.argv[1])
utils.SWIFT_CONF_FILE = os.path.join(ROOT, "swift.conf")
SETTINGS = {
    "swift.conf": """
[swift-hash]
swift_hash_path_suffix = reprise
[swift-constraints]
# S3 allows parts below 5 GiB; Swift's own bound on one object is a little more.
max_file_size = 5368709122
""",
    "account.conf": """
[DEFAULT]
devices = {root}
mount_check = false
[app:main]
use = egg:swift#account
""",
    "container.conf": """
[DEFAULT]
devices = {root}
mount_check = false
swift_dir = {root}
[app:main]
use = egg:swift#container
""",
    "object.conf": """
[DEFAULT]
devices = {root}
mount_check = false
swift_dir = {root}
[app:main]
use = egg:swift#object
""",
    "proxy.conf": """
[DEFAULT]
swift_dir = {root}
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats s3api tempauth bulk copy slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
check_bucket_owner = false
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:bulk]
use = egg:swift#bulk
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
""",
}


class EmptyCache:
    """A memcached that has always just been restarted: Swift asks for one and works without what it held."""

    def get(self, *_, **__):
        return None

    def set(self, *_, **__):
        pass

    delete = set_multi = set

    def get_multi(self, keys, *_, **__):
        return [None for _ in keys]

    def incr(self, *_, **__):
        return 1

    decr = incr


def with_cache(app):
    def answer(env, start_response):
        env["swift.cache"] = EmptyCache()
        return app(env, start_response)

    return answer


def write_settings():
    os.makedirs(os.path.join(ROOT, "disk"), exist_ok=True)
    for name, text in SETTINGS.items():
        with open(os.path.join(ROOT, name), "w") as file:
            file.write(text.format(root=ROOT))


def main():
    write_settings()
    from swift.common.ring import RingData
    from swift.common.wsgi import SwiftHttpProtocol, loadapp

    sockets = {}
    for kind in ("account", "container", "object"):
        sockets[kind] = listen(("127.0.0.1", 0), backlog=128)
        port = sockets[kind].getsockname()[1]
        device = {"id": 0, "zone": 0, "region": 1, "ip": "127.0.0.1", "port": port, "device": "disk", "weight": 1}
        RingData([array.array("H", [0])], [device], 32).save(os.path.join(ROOT, kind + ".ring.gz"))
    sockets["proxy"] = listen(("127.0.0.1", 0), backlog=128)
    quiet = utils.get_logger({"log_level": "CRITICAL"})
    for kind, socket in sockets.items():
        app = with_cache(loadapp(os.path.join(ROOT, kind + ".conf")))
        spawn(eventlet.wsgi.server, socket, app, quiet, protocol=SwiftHttpProtocol, log_output=False)
    print(sockets["proxy"].getsockname()[1], flush=True)
    # Reading in a thread of its own: a pipe does not wake the loop that serves.
    tpool.execute(sys.stdin.buffer.raw.read)
    os._exit(0)


main()
