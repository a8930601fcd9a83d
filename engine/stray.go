package engine

import "sync"

// strayErrors keeps definition errors that no DAG can carry: a task whose every handle is zero hangs on nothing.
type strayErrors struct {
	mu   sync.Mutex
	errs []error
}

func (s *strayErrors) add(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}

func (s *strayErrors) take() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	errs := s.errs
	s.errs = nil
	return errs
}
