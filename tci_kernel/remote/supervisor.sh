# Runs one interpreter after another in a sandbox, where each finds the files of those before it:
#
#     sh -c "this text" sh DIRECTORY COMMAND…
#
# A line of its input that says `start` begins the command; one that says `end` kills it. Once it has
# ended, however that came, all that it has left behind is killed, and a line of the output says the
# status. The directory has the command's sockets and its connection file; the one to be used next
# lies below it, in `given`.
#
# Code that runs inside can kill this process, as it can kill itself. The sandbox ends with it.

exec 3<&0
directory=$1
shift
signals="INT TERM HUP QUIT" # they are sent to the command's group, and are the command's

are_others() {
    set -- /proc/[0-9]*
    [ $# -gt 2 ] # this process, and the first one, which is bubblewrap's
}

trap "" $signals # one that came while an order is read would be the end of the orders
while read -r order <&3; do
    [ "$order" = start ] || continue # the end of what had ended by itself
    rm -f "$directory"/k-*
    cp -f "$directory/given/kernel.json" "$directory/kernel.json" || exit
    { read -r order <&3 && read -r pid <"$directory/pid" && kill -KILL "$pid"; } >/dev/null &
    # A command in the foreground heeds interrupts; one in the background would not.
    trap : $signals # and so the command has them as they were
    sh -c 'echo $$ >"$0" && exec "$@"' "$directory/pid" "$@" 3<&- </dev/null >&2
    status=$?
    trap "" $signals
    kill -KILL -1 2>/dev/null # all but these two
    wait
    while are_others; do :; done # they end within milliseconds
    echo "$status"
done
