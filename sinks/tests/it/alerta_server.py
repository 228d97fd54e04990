"""The API of Alerta at a port of loopback. Its settings are in the environment. `ready` is printed when it listens.

`alertad run` does the same, but prints nothing once it listens.
"""

import sys

from alerta import create_app
from werkzeug.serving import make_server

server = make_server("127.0.0.1", int(sys.argv[1]), create_app(), threaded=True)
print("ready", flush=True)
server.serve_forever()
