"""Code for a session whose comms tests speak to."""

# A comm opened with the target `echo` answers each message with what it has heard, and its buffers.
ECHO = """
from comm import get_comm_manager
def opened(comm, message):
    @comm.on_msg
    def received(message):
        comm.send({"heard": message["content"]["data"]}, buffers=message["buffers"])
get_comm_manager().register_target("echo", opened)
"""
