"""A collector of traces that takes everything and keeps nothing: python3 sink.py PORT."""

import socket
import sys
import threading

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


def serve(connection):
    buffer = bytearray(1 << 20)
    head = b""
    while True:
        read = connection.recv_into(buffer)
        if not read:
            return
        head += bytes(buffer[:read])
        end = head.find(b"\r\n\r\n")
        if end < 0:
            continue
        length = next(int(line[15:]) for line in head[:end].lower().split(b"\r\n") if line.startswith(b"content-length:"))
        left = length - (len(head) - end - 4)
        while left > 0:
            read = connection.recv_into(buffer)
            if not read:
                return
            left -= read
        head = b""
        connection.sendall(ANSWER)


def main():
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    main()
