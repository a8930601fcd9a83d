package engine

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// StreamStore keeps which process runs which replica of a stream.
type StreamStore interface {
	RegisterStreams(ctx context.Context, s []StreamRecord) error
	// ClaimStream leases a free replica of the stream to a worker: one that nobody holds or whose worker has no row, whose
	// next start is due, of a stream that is not paused. ok is false when there is none.
	ClaimStream(ctx context.Context, name string, worker int64, lease uuid.UUID) (l StreamLease, ok bool, err error)
	// BeatStream stores progress and tells whether the lease is still held and whether the stream is to run.
	BeatStream(ctx context.Context, l StreamLease, progress []byte) (held, paused bool, err error)
	// EndStream gives the replica back. cause is "" after a drain; else the replica starts again not before next, its count
	// of restarts is raised and the events are stored.
	EndStream(ctx context.Context, l StreamLease, cause string, next time.Time, events []Event) error
	// ResetRestarts sets the replica's count of restarts in a row to 0: it ran well for a while.
	ResetRestarts(ctx context.Context, l StreamLease) error
	SetStreamPaused(ctx context.Context, name string, paused bool, acts ...AuditEntry) error
	Streams(ctx context.Context) ([]StreamStatus, error)
}

// A StreamRecord is a stream's definition as the store keeps it.
type StreamRecord struct {
	Name     string
	Replicas int
	Doc      string
}

// A StreamLease is a claim on a replica of a stream.
type StreamLease struct {
	Name     string
	Replica  int
	ID       uuid.UUID
	Worker   int64
	Restarts int // in a row, so far
}

// A StreamStatus is how a stream stands.
type StreamStatus struct {
	Name     string
	Doc      string
	Paused   bool
	Replicas []ReplicaStatus
}

// A ReplicaStatus is how one replica of a stream stands.
type ReplicaStatus struct {
	Replica    int
	State      string // running, stopped, restarting, paused
	Worker     string
	StartedAt  *time.Time
	Progress   []byte
	ProgressAt *time.Time
	Restarts   int
	Error      string
	NextStart  *time.Time
}
