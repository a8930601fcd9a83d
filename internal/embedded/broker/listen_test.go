package broker

import (
	"net"
	"testing"
)

// The port that is found is held until the broker has it: nobody else, not even a connection, gets it in between.
func TestThePortFoundIsHeld(t *testing.T) {
	dir := t.TempDir()
	l, err := listen(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if other, err := net.Listen("tcp", address); err == nil {
		_ = other.Close()
		t.Errorf("%s could be taken by another", address)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := announce(dir, address, 0); err != nil {
		t.Fatal(err)
	}
	again, err := listen(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if got := again.Addr().String(); got != address {
		t.Errorf("the next start listens on %s, not on %s as the last one", got, address)
	}
}
