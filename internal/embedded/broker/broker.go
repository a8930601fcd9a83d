package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/tidemill/tidemill/internal/embedded/filelock"
	"github.com/twmb/franz-go/pkg/kfake"
)

// ErrBusy says that another process owns the folder.
var ErrBusy = errors.New("another process runs the embedded broker of this folder")

// DefaultPartitions is how many partitions a topic gets that is made without saying how many.
const DefaultPartitions = 6

// Options says how [Start] runs a broker.
type Options struct {
	Dir        string       // our folder, made if need be; required
	Port       int          // 0: the port of the last start if it is free, else any free one
	Partitions int          // of topics made without a number; 0: DefaultPartitions
	Log        *slog.Logger // of the broker's warnings and errors; may be nil
}

// A Server is a running broker. Whoever started it stops it.
type Server struct {
	dir     string
	cluster *kfake.Cluster
	brokers []string
	lock    *filelock.Lock
	stop    sync.Once
}

// Start runs the broker of o.Dir, made at first use, and returns when it takes connections. It errs with [ErrBusy]
// when another process owns o.Dir. ctx bounds the start only.
func Start(ctx context.Context, o Options) (*Server, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start broker: %w", err)
	}
	lock, err := filelock.Try(filepath.Join(o.Dir, "lock"), filelock.Exclusive)
	if errors.Is(err, filelock.ErrLocked) {
		return nil, fmt.Errorf("start broker in %s: %w", o.Dir, ErrBusy)
	}
	if err != nil {
		return nil, fmt.Errorf("start broker: %w", err)
	}
	s := &Server{dir: o.Dir, lock: lock}
	if err := s.start(o); err != nil {
		return nil, errors.Join(fmt.Errorf("start broker in %s: %w", o.Dir, err), lock.Release())
	}
	return s, nil
}

func (s *Server) start(o Options) error {
	if o.Partitions == 0 {
		o.Partitions = DefaultPartitions
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l, err := listen(o)
	if err != nil {
		return err
	}
	taken := false
	s.cluster, err = kfake.NewCluster(
		kfake.Ports(l.Addr().(*net.TCPAddr).Port),
		kfake.ListenFn(func(network, address string) (net.Listener, error) {
			if !taken && address == l.Addr().String() {
				taken = true
				return l, nil
			}
			return net.Listen(network, address)
		}),
		kfake.ClusterID("tidemill-"+uuid.NewString()), // at first start; kept in the data folder
		kfake.DefaultNumPartitions(o.Partitions),
		kfake.DataDir(filepath.Join(o.Dir, "data")),
		kfake.SyncWrites(),
		kfake.BrokerConfigs(map[string]string{"log.retention.ms": "-1", "log.retention.bytes": "-1"}), // for ever: replays have old timestamps
		kfake.WithLogger(logger{o.Log}),
	)
	if err != nil {
		if !taken {
			err = errors.Join(err, l.Close())
		}
		return err
	}
	s.brokers = s.cluster.ListenAddrs()
	if err := announce(o.Dir, s.brokers[0], os.Getpid()); err != nil {
		s.cluster.Close()
		return err
	}
	o.Log.Info("broker runs", "address", s.brokers[0], "data", o.Dir)
	return nil
}

// listen takes the port asked for, else the last one if it is free, else any free one. It is kept from then on: a port that was only
// found to be free may be another's a moment later, also that of some connection.
func listen(o Options) (net.Listener, error) {
	if o.Port != 0 {
		return net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(o.Port)))
	}
	var last int
	if addr, _, ok := announced(o.Dir); ok {
		_, port, _ := net.SplitHostPort(addr) //nolint:errcheck // then any port
		last, _ = strconv.Atoi(port)          //nolint:errcheck // then any port
	}
	for _, p := range []int{last, 0} {
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p))); err == nil {
			return l, nil
		}
	}
	return nil, errors.New("no free port on 127.0.0.1")
}

// Brokers returns the addresses, host:port, to give to Kafka clients.
func (s *Server) Brokers() []string { return s.brokers }

// Stop closes the broker, writes what makes the next start fast, and gives the folder back. A second call does nothing.
func (s *Server) Stop() error {
	var err error
	s.stop.Do(func() {
		s.cluster.Close()
		err = errors.Join(announce(s.dir, s.brokers[0], 0), s.lock.Release())
	})
	return err
}

// FindRunning returns the addresses of the broker that a process, this or another, runs in dir, or ok false.
func FindRunning(dir string) (brokers []string, ok bool) {
	addr, pid, ok := announced(dir)
	if !ok || pid <= 0 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return nil, false
	}
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return nil, false
	}
	_ = conn.Close() // nothing was written
	return []string{addr}, true
}

// announce notes where the broker listens, in one step so that a reader sees all or nothing of it.
// pid 0 says that it does so no more.
func announce(dir, addr string, pid int) error {
	path := filepath.Join(dir, "server")
	if err := os.WriteFile(path+".new", fmt.Appendf(nil, "%s %d\n", addr, pid), 0o600); err != nil {
		return fmt.Errorf("note where the broker listens: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("note where the broker listens: %w", err)
	}
	return nil
}

func announced(dir string) (addr string, pid int, ok bool) {
	text, err := os.ReadFile(filepath.Join(dir, "server"))
	if err != nil {
		return "", 0, false
	}
	_, err = fmt.Sscan(string(text), &addr, &pid)
	return addr, pid, err == nil
}

// logger passes on what the broker says of trouble.
type logger struct{ log *slog.Logger }

func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.log.Error("broker: " + fmt.Sprintf(format, args...))
	case kfake.LogLevelWarn:
		l.log.Warn("broker: " + fmt.Sprintf(format, args...))
	}
}
