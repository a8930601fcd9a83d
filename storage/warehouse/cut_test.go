package warehouse_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// cutter stands between a process and its database. It lets the chosen one of all that is sent arrive and loses the answer: a
// sending that is lost itself is no different from the lost answer to the one before it.
type cutter struct {
	mu   sync.Mutex
	sent int
	at   int    // which sending; 0: none
	when string // or the first one that has this text
	do   func() // instead, before it is sent
	// dead is a process that is gone with it: nothing more is sent, on any connection.
	dead bool
	cut  bool
}

var errCut = errors.New("cut off by the test")

// pool is a pool of connections through c.
func (c *cutter) pool(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if c.isDead() {
			return nil, errCut
		}
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &cutConn{Conn: conn, of: c}, nil
	}
	pool, err := pgxpool.NewWithConfig(background, config)
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

func (c *cutter) isDead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut && c.dead
}

// next counts a sending and says whether it is the one.
func (c *cutter) next(p []byte) (now bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	if c.sent != c.at && (c.when == "" || c.cut || !bytes.Contains(p, []byte(c.when))) {
		return false
	}
	c.cut = true
	return true
}

type cutConn struct {
	net.Conn
	of     *cutter
	mu     sync.Mutex
	losing bool // the next answer is lost
}

func (c *cutConn) Write(p []byte) (int, error) {
	if c.of.isDead() {
		_ = c.Close()
		return 0, errCut
	}
	if !c.of.next(p) {
		return c.Conn.Write(p)
	}
	if c.of.do != nil {
		c.of.do()
		return c.Conn.Write(p)
	}
	c.mu.Lock()
	c.losing = true
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *cutConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.losing || c.of.isDead() {
		_ = c.Close()
		return 0, errCut
	}
	return n, err
}
