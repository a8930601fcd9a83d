package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

// defaultPool is where Airflow has the tasks that name no pool. Here they take no slots of any: it cannot be changed.
const defaultPool = "default_pool"

// unlimited is how many slots a pool has of which Airflow says −1.
const unlimited = 1 << 30

func (s *server) pools(a huma.API) {
	route(s, a, http.MethodGet, "/pools", "get_pools", "List pools", s.listPools)
	route(s, a, http.MethodGet, "/pools/{pool_name}", "get_pool", "Get a pool", func(ctx context.Context, in *PoolPath) (PoolResponse, error) { return s.pool(ctx, in.Name) })
	route(s, a, http.MethodPatch, "/pools/{pool_name}", "patch_pool", "Change a pool", s.patchPool)
	op := operation(http.MethodPost, "/pools", "post_pool", "Make a pool")
	op.DefaultStatus = http.StatusCreated
	huma.Register(a, op, func(ctx context.Context, in *struct{ Body PoolBody }) (*out[PoolResponse], error) {
		p, err := s.postPool(ctx, in.Body)
		return &out[PoolResponse]{p}, s.failed(ctx, err)
	})
	op = operation(http.MethodDelete, "/pools/{pool_name}", "delete_pool", "Take a pool away: tasks that name it wait")
	op.DefaultStatus = http.StatusNoContent
	huma.Register(a, op, func(ctx context.Context, in *PoolPath) (*struct{}, error) {
		return nil, s.failed(ctx, s.deletePool(ctx, in.Name))
	})
}

// PoolPath names a pool.
type PoolPath struct {
	Name string `path:"pool_name"`
}

// A PoolResponse is a pool: slots that tasks of any DAG share.
type PoolResponse struct {
	Name            string  `json:"name"`
	Slots           int     `json:"slots" doc:"−1: no limit"`
	Description     *string `json:"description"`
	IncludeDeferred bool    `json:"include_deferred" doc:"Never: what waits holds no slot"`
	OccupiedSlots   int     `json:"occupied_slots"`
	RunningSlots    int     `json:"running_slots"`
	QueuedSlots     int     `json:"queued_slots" doc:"That ready tasks ask for; they do not occupy them"`
	ScheduledSlots  int     `json:"scheduled_slots"`
	DeferredSlots   int     `json:"deferred_slots"`
	OpenSlots       int     `json:"open_slots" doc:"−1: no limit"`
	TeamName        *string `json:"team_name"`
}

// A PoolCollectionResponse is a page of pools.
type PoolCollectionResponse struct {
	Pools        []PoolResponse `json:"pools" nullable:"false"`
	TotalEntries int            `json:"total_entries"`
}

func poolResponse(p engine.PoolRow) PoolResponse {
	r := PoolResponse{Name: p.Name, Slots: p.Slots, Description: optional(p.Description), OccupiedSlots: p.Running, RunningSlots: p.Running, QueuedSlots: p.Queued, OpenSlots: max(0, p.Slots-p.Running)}
	if p.Slots >= unlimited {
		r.Slots, r.OpenSlots = -1, -1
	}
	return r
}

// allPools are the pools by name, Airflow's default one among them.
func (s *server) allPools(ctx context.Context) ([]PoolResponse, error) {
	rows, err := s.Store.Pools(ctx)
	if err != nil {
		return nil, err
	}
	workers, err := s.Store.Workers(ctx)
	if err != nil {
		return nil, err
	}
	free := engine.PoolRow{Pool: engine.Pool{Name: defaultPool, Slots: unlimited, Description: "Tasks that name no pool"}}
	for _, w := range workers {
		free.Running += w.Leases
	}
	all := make([]PoolResponse, 0, len(rows)+1)
	for _, p := range rows {
		_, n, err := s.Store.Leases(ctx, "", p.Name, 1)
		if err != nil {
			return nil, err
		}
		free.Running = max(0, free.Running-n)
		all = append(all, poolResponse(p))
	}
	return append(all, poolResponse(free)), nil
}

func (s *server) pool(ctx context.Context, name string) (PoolResponse, error) {
	all, err := s.allPools(ctx)
	if err != nil {
		return PoolResponse{}, err
	}
	if i := slices.IndexFunc(all, func(p PoolResponse) bool { return p.Name == name }); i >= 0 {
		return all[i], nil
	}
	return PoolResponse{}, fail(http.StatusNotFound, "The Pool with name: `%s` was not found", name)
}

type listPoolsInput struct {
	Page
	NamePattern string   `query:"pool_name_pattern"`
	NamePrefix  string   `query:"pool_name_prefix_pattern"`
	OrderBy     []string `query:"order_by,explode" maxItems:"20"`
}

func (s *server) listPools(ctx context.Context, in *listPoolsInput) (PoolCollectionResponse, error) {
	all, err := s.allPools(ctx)
	if err != nil {
		return PoolCollectionResponse{}, err
	}
	name, err := pattern(in.NamePattern, false)
	if err != nil {
		return PoolCollectionResponse{}, invalid(err.Error(), in.NamePattern, "query", "pool_name_pattern")
	}
	prefix, err := pattern(in.NamePrefix, true)
	if err != nil {
		return PoolCollectionResponse{}, invalid(err.Error(), in.NamePrefix, "query", "pool_name_prefix_pattern")
	}
	all = slices.DeleteFunc(all, func(p PoolResponse) bool { return !name(p.Name) || !prefix(p.Name) })
	byName := func(a, b PoolResponse) int { return cmp.Compare(a.Name, b.Name) }
	if err := sortBy(all, in.OrderBy, "name", map[string]func(a, b PoolResponse) int{
		"id": byName, "name": byName, "pool": byName, "slots": func(a, b PoolResponse) int { return cmp.Compare(a.Slots, b.Slots) },
	}); err != nil {
		return PoolCollectionResponse{}, err
	}
	return PoolCollectionResponse{append([]PoolResponse{}, cut(all, in.Page)...), len(all)}, nil
}

// PoolBody is a pool to be made.
type PoolBody struct {
	Name            string  `json:"name" maxLength:"250"`
	Slots           int     `json:"slots" minimum:"-1" maximum:"1073741824" doc:"−1: no limit"`
	Description     *string `json:"description,omitempty" nullable:"true"`
	IncludeDeferred bool    `json:"include_deferred,omitempty"`
	TeamName        *string `json:"team_name,omitempty" nullable:"true"`
}

// notHere refuses what pools of Airflow have and ours have not.
func notHere(deferred bool, team *string) error {
	switch {
	case deferred:
		return invalid("what waits holds no slot here; leave it out", true, "body", "include_deferred")
	case team != nil:
		return invalid("there are no teams here; leave it out", *team, "body", "team_name")
	}
	return nil
}

func (s *server) postPool(ctx context.Context, b PoolBody) (PoolResponse, error) {
	if err := notHere(b.IncludeDeferred, b.TeamName); err != nil {
		return PoolResponse{}, err
	}
	if _, err := s.pool(ctx, b.Name); err == nil {
		return PoolResponse{}, fail(http.StatusConflict, "The Pool with name: `%s` exists already", b.Name)
	}
	return s.setPool(ctx, engine.Pool{Name: b.Name, Slots: b.Slots, Description: text(b.Description)})
}

func (s *server) setPool(ctx context.Context, p engine.Pool) (PoolResponse, error) {
	if p.Slots == -1 {
		p.Slots = unlimited
	}
	if err := s.Control.SetPool(ctx, p, by); err != nil {
		return PoolResponse{}, err
	}
	s.Pulse.Ring()
	return s.pool(ctx, p.Name)
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// PoolPatchBody says what to change of a pool.
type PoolPatchBody struct {
	Pool            *string `json:"pool,omitempty" nullable:"true" doc:"Its name, which does not change"`
	Name            *string `json:"name,omitempty" nullable:"true" doc:"Likewise"`
	Slots           *int    `json:"slots,omitempty" nullable:"true" minimum:"-1" maximum:"1073741824" doc:"−1: no limit"`
	Description     *string `json:"description,omitempty" nullable:"true"`
	IncludeDeferred *bool   `json:"include_deferred,omitempty" nullable:"true"`
	TeamName        *string `json:"team_name,omitempty" nullable:"true"`
}

func (s *server) patchPool(ctx context.Context, in *struct {
	PoolPath
	UpdateMask
	Body PoolPatchBody
}) (PoolResponse, error) {
	b := in.Body
	if err := in.check("slots", "description", "include_deferred", "pool", "name", "team_name"); err != nil {
		return PoolResponse{}, err
	}
	if in.Name == defaultPool {
		return PoolResponse{}, fail(http.StatusBadRequest, "tasks that name no pool take no slots of any: %s cannot be changed; give tasks a pool of their own", defaultPool)
	}
	for _, name := range []*string{b.Pool, b.Name} {
		if name != nil && *name != in.Name {
			return PoolResponse{}, fail(http.StatusBadRequest, "a pool's name does not change: make another and delete this one")
		}
	}
	if err := notHere(b.IncludeDeferred != nil && *b.IncludeDeferred && in.has("include_deferred"), b.TeamName); err != nil {
		return PoolResponse{}, err
	}
	was, err := s.pool(ctx, in.Name)
	if err != nil {
		return PoolResponse{}, err
	}
	p := engine.Pool{Name: was.Name, Slots: was.Slots, Description: text(was.Description)}
	if b.Slots != nil && in.has("slots") {
		p.Slots = *b.Slots
	}
	if b.Description != nil && in.has("description") {
		p.Description = *b.Description
	}
	return s.setPool(ctx, p)
}

func (s *server) deletePool(ctx context.Context, name string) error {
	if name == defaultPool {
		return fail(http.StatusBadRequest, "Default Pool can't be deleted")
	}
	if _, err := s.pool(ctx, name); err != nil {
		return err
	}
	if err := s.Control.DeletePool(ctx, name, by); err != nil {
		return err
	}
	s.Pulse.Ring()
	return nil
}
