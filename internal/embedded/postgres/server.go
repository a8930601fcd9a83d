package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/tidemill/tidemill/internal/embedded/filelock"
)

// ErrBusy says that another process owns the folder.
var ErrBusy = errors.New("another process runs the embedded PostgreSQL of this folder")

// startLimit bounds a start, recovery after a crash included.
const startLimit = 60 * time.Second

// Source says where PostgreSQL's programs may come from.
type Source int

// The sources.
const (
	Any     Source = iota // the system's, else fetched
	System                // the system's only
	Fetched               // the package only
)

// Options says how [Start] runs a server.
type Options struct {
	Dir      string            // our folder, made if need be; required
	Port     int               // 0: the port of the last start if it is free, else any free one
	Source   Source            // where the programs come from
	Settings map[string]string // server settings that replace ours
	Progress func(string)      // told, in a sentence, what takes long; may be nil
	Log      *slog.Logger      // may be nil
}

// settings are what the server runs with, Options.Settings aside.
func settings(port int) map[string]string {
	return map[string]string{
		"listen_addresses":                 "127.0.0.1",
		"port":                             strconv.Itoa(port),
		"unix_socket_directories":          "", // TCP only: one address for all, no path length limit
		"max_connections":                  "200",
		"shared_buffers":                   "256MB",
		"client_connection_check_interval": "2s", // a query whose client was killed ends
		"timezone":                         "UTC",
		"log_timezone":                     "UTC",
		"fsync":                            "on",
		"synchronous_commit":               "on",
		"ssl":                              "off",
		"logging_collector":                "off",
		"log_destination":                  "stderr",
	}
}

// A Server is a running PostgreSQL of ours. Whoever started it stops it.
type Server struct {
	url      string
	version  string
	data     string
	user     string
	lock     *filelock.Lock
	process  *os.Process
	stopping atomic.Bool
	exited   chan struct{} // closed when the server's process has ended
	logPath  string
}

// Start runs the server of o.Dir, made at first use, and returns when it takes connections. It errs with [ErrBusy]
// when another process owns o.Dir and with [ErrNoBinaries] when there is no PostgreSQL and none can be fetched.
// ctx bounds the start only; the server runs until [Server.Stop], or the death of this process.
func Start(ctx context.Context, o Options) (_ *Server, err error) {
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil { //nolint:gosec // the server's user must enter it when we are root; what is secret in it has 0600
		return nil, fmt.Errorf("start PostgreSQL: make its folder: %w", err)
	}
	lock, err := filelock.Try(filepath.Join(o.Dir, "lock"), filelock.Exclusive)
	if errors.Is(err, filelock.ErrLocked) {
		return nil, fmt.Errorf("start PostgreSQL in %s: %w", o.Dir, ErrBusy)
	}
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	s, err := start(ctx, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start PostgreSQL: %w", err), lock.Release())
	}
	s.lock = lock
	return s, nil
}

func start(ctx context.Context, o Options) (*Server, error) {
	c, made, err := openCluster(o.Dir)
	if err != nil {
		return nil, err
	}
	bin, ok, err := chooseBinaries(ctx, o, c, made)
	if err != nil {
		return nil, err
	}
	if !ok {
		if bin, err = fetch(ctx, o, c); err != nil {
			return nil, noBinaries(fetchedMajor, err)
		}
	}
	password, err := c.password(made)
	if err != nil {
		return nil, err
	}
	if !made {
		o.Progress("making a database with PostgreSQL " + bin.Version)
		if err := c.create(ctx, bin, password); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := stopLeftover(ctx, c.data, o.Progress); err != nil {
		return nil, err
	}
	s, err := c.launch(ctx, o, bin, password)
	if err != nil {
		return nil, err
	}
	o.Log.Info("PostgreSQL runs", "version", bin.Version, "binaries", bin.Dir, "data", c.data, "user", c.who.name, "pid", s.process.Pid)
	return s, nil
}

// launch starts the server's process until it runs, taking another port or waiting for the remains of a killed server
// when it ends for one of these reasons.
func (c cluster) launch(ctx context.Context, o Options, bin Binaries, password string) (*Server, error) {
	for {
		port, err := c.port(o.Port)
		if err != nil {
			return nil, err
		}
		s, err := c.spawn(o, bin, port)
		if err != nil {
			return nil, err
		}
		u := url.URL{Scheme: "postgres", User: url.UserPassword(superuser, password),
			Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: "/" + database, RawQuery: "sslmode=disable"}
		s.url = u.String()
		if err = s.awaitReady(ctx, u); err == nil {
			if err = c.announce(port, s.process.Pid); err == nil {
				return s, nil
			}
		}
		s.kill()
		said := s.lastWords()
		again := strings.Contains(said, "pre-existing shared memory block") || // backends of a killed server: they notice within seconds
			o.Port == 0 && strings.Contains(said, "could not bind")
		if !again || ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %s (all of it in %s)", err, said, s.logPath)
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// port is the port asked for, else the last one if it is free, else any free one.
func (c cluster) port(asked int) (int, error) {
	if asked != 0 {
		return asked, nil
	}
	last, _ := c.announced()
	for _, p := range []int{last, 0} {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err != nil {
			continue
		}
		p = l.Addr().(*net.TCPAddr).Port
		if err := l.Close(); err != nil {
			return 0, fmt.Errorf("look for a free port: %w", err)
		}
		return p, nil
	}
	return 0, errors.New("look for a free port on 127.0.0.1: none")
}

// spawn starts the process. A goroutine of its own waits for it, on one thread for all its life: the kernel's signal
// at the parent's death goes by thread.
func (c cluster) spawn(o Options, bin Binaries, port int) (*Server, error) {
	conf := settings(port)
	maps.Copy(conf, o.Settings)
	args := []string{"-D", c.data}
	for _, k := range slices.Sorted(maps.Keys(conf)) {
		args = append(args, "-c", k+"="+conf[k])
	}
	s := &Server{version: bin.Version, data: c.data, user: c.who.name, exited: make(chan struct{}), logPath: filepath.Join(c.dir, "postgres.log")}
	log, err := os.OpenFile(s.logPath, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL's log: %w", err)
	}
	defer log.Close()                                     //nolint:errcheck // the server has its own handle
	cmd := exec.Command(bin.program("postgres"), args...) //nolint:gosec // no CommandContext: it would kill without a shutdown
	cmd.SysProcAttr, cmd.Env, cmd.Dir = c.who.processAttr(), serverEnv(), "/"
	endWithParent(cmd.SysProcAttr)
	cmd.Stdout, cmd.Stderr = log, log
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
			close(s.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("run %s as user %s: %w", bin.program("postgres"), c.who.name, err)
	}
	s.process = cmd.Process
	return s, nil
}

// awaitReady waits until the server takes connections and has its database.
func (s *Server) awaitReady(ctx context.Context, u url.URL) error {
	err := poll(ctx, func() (bool, error) {
		select {
		case <-s.exited:
			return false, errors.New("it ended while starting")
		default:
		}
		p, running, err := readPostmaster(s.data)
		if err != nil || !running {
			return false, nil //nolint:nilerr // half written as yet
		}
		return p.pid == s.process.Pid && p.ready, nil
	})
	if err != nil {
		return fmt.Errorf("wait for it to be ready: %w", err)
	}
	u.Path = "/postgres"
	conn, err := pgx.Connect(ctx, u.String())
	if err != nil {
		return fmt.Errorf("connect to it: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // only read
	var there bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", database).Scan(&there); err != nil {
		return fmt.Errorf("look for database %s: %w", database, err)
	}
	if there {
		return nil
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{database}.Sanitize()); err != nil {
		return fmt.Errorf("make database %s: %w", database, err)
	}
	return nil
}

func (s *Server) lastWords() string {
	text, err := os.ReadFile(s.logPath)
	if err != nil {
		return "its log cannot be read: " + err.Error()
	}
	return lastLines(text, 6)
}

// URL returns the address of the database, with the superuser's name and password: not for logs.
func (s *Server) URL() string { return s.url }

// Data is PostgreSQL's data folder, links resolved, and User whom the server runs as. Root's server runs as another, and its data lies
// elsewhere than in the folder when that user cannot enter it.
func (s *Server) Data() (dir, user string) { return s.data, s.user }

// Version returns the server's version, such as "15.14".
func (s *Server) Version() string { return s.version }

// Exited is closed when the server's process has ended, asked for or not.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// Stop shuts the server down fast: open transactions are rolled back, committed ones kept. When ctx ends first it is
// shut down at once, to recover at its next start. Stop gives the folder back; a second call does nothing.
func (s *Server) Stop(ctx context.Context) error {
	if s.stopping.Swap(true) {
		<-s.exited
		return nil
	}
	defer s.lock.Release() //nolint:errcheck // its file is only read
	if err := s.process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	select {
	case <-s.exited:
		return nil
	case <-ctx.Done():
		s.kill()
		return fmt.Errorf("stop PostgreSQL: it had to be cut off and recovers at its next start: %w", ctx.Err())
	}
}

// kill ends the process without a checkpoint.
func (s *Server) kill() {
	_ = s.process.Signal(syscall.SIGQUIT) // an error says that it has ended
	<-s.exited
}
