package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/tidemill/tidemill/engine"
)

func (s *server) versions(a huma.API) {
	const path = "/dags/{dag_id}/dagVersions"
	route(s, a, http.MethodGet, path, "get_dag_versions", "List the versions of a DAG; ~: of every DAG", s.listVersions)
	route(s, a, http.MethodGet, path+"/{version_number}", "get_dag_version", "Get a version of a DAG", s.getVersion)
}

// A DagVersion is a version of a DAG.
type DagVersion struct {
	ID             string    `json:"id"`
	VersionNumber  int       `json:"version_number" doc:"1 for the first that was registered, then one more for each"`
	DagID          string    `json:"dag_id"`
	DagDisplayName string    `json:"dag_display_name"`
	BundleName     *string   `json:"bundle_name"`
	BundleVersion  *string   `json:"bundle_version" doc:"Hash of the DAG's structure"`
	BundleURL      *string   `json:"bundle_url"`
	CreatedAt      time.Time `json:"created_at"`
}

// A DAGVersionCollectionResponse is a page of versions.
type DAGVersionCollectionResponse struct {
	DagVersions  []DagVersion `json:"dag_versions" nullable:"false"`
	TotalEntries int          `json:"total_entries"`
}

// versionsOf are the versions of a DAG, oldest first.
func (s *server) versionsOf(ctx context.Context, dag string) ([]DagVersion, error) {
	rows, err := s.Store.DAGVersions(ctx, dag)
	if err != nil {
		return nil, err
	}
	all := make([]DagVersion, 0, len(rows))
	for i, v := range rows {
		all = append(all, DagVersion{ID: uuid.NewSHA1(idSpace, []byte(dag+"/"+v.Version)).String(), VersionNumber: i + 1, DagID: dag, DagDisplayName: dag, BundleVersion: optional(v.Version), CreatedAt: v.At.UTC()})
	}
	return all, nil
}

// versionBook knows the versions that runs are on. They never change, so a DAG's are read again only when one is new.
type versionBook struct {
	mu    sync.Mutex
	known map[[2]string]*DagVersion // by DAG and hash
}

// version is the one that a run is on; nil when it is on none yet.
func (s *server) version(ctx context.Context, dag, hash string) (*DagVersion, error) {
	if hash == "" {
		return nil, nil
	}
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	key := [2]string{dag, hash}
	if v, ok := s.book.known[key]; ok {
		return v, nil
	}
	all, err := s.versionsOf(ctx, dag)
	if err != nil {
		return nil, err
	}
	for i := range all {
		s.book.known[[2]string{dag, *all[i].BundleVersion}] = &all[i]
	}
	return s.book.known[key], nil
}

// runs are the answers about several runs, with their versions.
func (s *server) runs(ctx context.Context, rows ...engine.RunRow) ([]DAGRunResponse, error) {
	all := make([]DAGRunResponse, 0, len(rows))
	for _, row := range rows {
		r := runResponse(row)
		v, err := s.version(ctx, row.DAG, row.Version)
		if err != nil {
			return nil, err
		}
		if v != nil {
			r.DagVersions = append(r.DagVersions, *v)
		}
		all = append(all, r)
	}
	return all, nil
}

// run is the answer about one run.
func (s *server) run(ctx context.Context, row engine.RunRow) (DAGRunResponse, error) {
	all, err := s.runs(ctx, row)
	if err != nil {
		return DAGRunResponse{}, err
	}
	return all[0], nil
}

type listVersionsInput struct {
	DagPath
	Page
	VersionNumber OptInt   `query:"version_number"`
	BundleName    string   `query:"bundle_name"`
	BundleVersion string   `query:"bundle_version"`
	OrderBy       []string `query:"order_by,explode" maxItems:"20"`
}

func (s *server) listVersions(ctx context.Context, in *listVersionsInput) (DAGVersionCollectionResponse, error) {
	dags := []string{in.DagID}
	if in.DagID == "~" {
		statuses, err := s.Store.DAGHeads(ctx)
		if err != nil {
			return DAGVersionCollectionResponse{}, err
		}
		dags = nil
		for _, st := range statuses {
			dags = append(dags, st.ID)
		}
	} else if _, err := s.status(ctx, in.DagID); err != nil {
		return DAGVersionCollectionResponse{}, err
	}
	all := []DagVersion{}
	for _, dag := range dags {
		of, err := s.versionsOf(ctx, dag)
		if err != nil {
			return DAGVersionCollectionResponse{}, err
		}
		all = append(all, of...)
	}
	all = slices.DeleteFunc(all, func(v DagVersion) bool {
		return in.VersionNumber.Set && v.VersionNumber != in.VersionNumber.Value || in.BundleVersion != "" && *v.BundleVersion != in.BundleVersion || in.BundleName != ""
	})
	if err := sortBy(all, in.OrderBy, "dag_id", map[string]func(a, b DagVersion) int{
		"id":             func(a, b DagVersion) int { return cmp.Compare(a.ID, b.ID) },
		"dag_id":         func(a, b DagVersion) int { return cmp.Compare(a.DagID, b.DagID) },
		"version_number": func(a, b DagVersion) int { return cmp.Compare(a.VersionNumber, b.VersionNumber) },
		"bundle_name":    func(DagVersion, DagVersion) int { return 0 },
		"bundle_version": func(a, b DagVersion) int { return cmp.Compare(*a.BundleVersion, *b.BundleVersion) },
		"created_at":     func(a, b DagVersion) int { return a.CreatedAt.Compare(b.CreatedAt) },
	}); err != nil {
		return DAGVersionCollectionResponse{}, err
	}
	return DAGVersionCollectionResponse{append([]DagVersion{}, cut(all, in.Page)...), len(all)}, nil
}

func (s *server) getVersion(ctx context.Context, in *struct {
	DagPath
	Number int `path:"version_number"`
}) (DagVersion, error) {
	all, err := s.versionsOf(ctx, in.DagID)
	if err != nil {
		return DagVersion{}, err
	}
	if in.Number < 1 || in.Number > len(all) {
		return DagVersion{}, fail(http.StatusNotFound, "The DagVersion with dag_id: `%s` and version_number: `%d` was not found", in.DagID, in.Number)
	}
	return all[in.Number-1], nil
}
