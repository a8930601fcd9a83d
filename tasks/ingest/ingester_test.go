package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/IBM/sarama"
)

// TestTransient: what a broker or its network may be over a moment later does not end a stream; anything else does.
func TestTransient(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for err, want := range map[error]bool{
		io.EOF:  true, // a broker that was killed while it was asked to let us join
		refused: true,
		&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}: true, // one that stands still
		sarama.ErrNotCoordinatorForConsumer:                   true,
		sarama.ErrOutOfBrokers:                                true,
		fmt.Errorf("%w: gone", errBroker):                     true,
		errSkipped:                                            false,
		errEncode:                                             false,
		context.Canceled:                                      false,
		errors.New("no idea"):                                 false,
	} {
		if got := isTransient(fmt.Errorf("join: %w", err)); got != want {
			t.Errorf("isTransient(%v) = %v, want %v", err, got, want)
		}
	}
}
