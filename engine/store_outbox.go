package engine

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Outbox hands out what is to be told to the world: callbacks and webhooks.
type Outbox interface {
	// RegisterReceiver makes a webhook receiver known: from then on every event of a transition leaves a message for it.
	// The URL is for people and must hold no secret.
	RegisterReceiver(ctx context.Context, name, url string) error
	// ClaimOutbox hands out up to limit messages that are due, and hides them from others for the time given. A worker's are due at once
	// when its row goes, by Leave or Bury, and what it has claimed and not finished when it claims again. A worker without a row gets none.
	ClaimOutbox(ctx context.Context, c OutboxClaim) ([]Message, error)
	// FinishOutbox ends a claimed message: delivered, to be tried again at a time, or given up. A message that somebody
	// else has claimed since is left alone.
	FinishOutbox(ctx context.Context, id int64, claim uuid.UUID, r Delivery) error
	// Emit stores events that belong to no run's transition (a stream that failed, an alert).
	Emit(ctx context.Context, events []Event) error
	// EmitAsset stores an update of an asset that belongs to no run, as a transition would.
	EmitAsset(ctx context.Context, e AssetEvent, acts ...AuditEntry) error
}

// An OutboxClaim asks for messages.
type OutboxClaim struct {
	Claim     uuid.UUID
	Worker    int64    // who delivers them; 0: nobody that has a row
	DAGs      []string // callbacks of these DAGs
	Receivers []string // webhooks to these receivers
	Limit     int
	Hide      time.Duration
}

// An Event is something that the world may want to know, such as task.failed.
type Event struct {
	ID   uuid.UUID
	Type string // see events.go
	At   time.Time
	DAG  string
	Run  int64
	Task string
	Data []byte // JSON object
}

// A CallbackCall is one callback that is to be called.
type CallbackCall struct {
	ID   uuid.UUID
	Hook string // which callback of the definition: see callbacks.go
	DAG  string
	TaskKey
	Data []byte // JSON of CallbackEvent
}

// A Message is an item of the outbox.
type Message struct {
	ID       int64
	EventID  uuid.UUID
	Kind     string // MessageCallback or MessageWebhook
	Receiver string // of a webhook
	Hook     string // of a callback
	DAG      string
	Key      TaskKey
	Type     string // of the event
	Data     []byte
	Tries    int // deliveries tried so far
	At       time.Time
}

// The kinds of messages.
const (
	MessageCallback = "callback"
	MessageWebhook  = "webhook"
)

// A Delivery is what became of a message.
type Delivery struct {
	Done    bool
	RetryAt time.Time // when not Done and not GaveUp
	GaveUp  bool
	Error   string
}
