(** Chapter 08, what a network without bias cannot say: the statements on networks. *)

From Coq Require Import Reals Lra Lia.
From Robust Require Import Common Network.
Open Scope R_scope.

Theorem prop_parity :
  forall (X : inner_space) (m : nat) (a : nat -> R) (sigma : R -> R) (w : rows X m),
  let f := net m a sigma w in
  let neg (x : X) := (-1 * x)%vec in
  ((forall z, sigma z - sigma (- z) = z) ->  (* book: If $\sigma(z)-\sigma(-z)=z$ for all $z$ *)
   exists u : X, forall x, f x - f (neg x) = << u, x >>)  (* book: $f(W,x)-f(W,-x)$ is linear in $x$ *)
  /\
  ((forall z, sigma z + sigma (- z) = z ^ 2 / 2) ->
  (* book: If $\sigma(z)+\sigma(-z)=z^2/2$ for all $z$ *)
   forall x, f x + f (neg x) = / (2 * sqrt (INR m)) * total m (fun r => a r * << w r, x >> ^ 2))
  (* book: $f(W,x)+f(W,-x)$ is a quadratic form in $x$ *)
  /\
  ((forall z, sigma (- z) = - sigma z) ->  (* book: If $\sigma$ is odd *)
   forall x, f (neg x) = - f x).  (* book: f(W,-x)=-f(W,x) *)
Proof.
  intros X m a sigma w f neg. unfold f, net, neg.
  assert (E : forall r x, << w r, -1 * x >> = - << w r, x >>) by (intros; rewrite dot_vscal_r; ring).
  split; [|split]; intros H.
  - exists (/ sqrt (INR m) * vtotal m (fun r => a r * w r))%vec. intros x.
    rewrite dot_vscal, dot_vtotal, <- Rmult_minus_distr_l, <- total_minus. f_equal.
    apply total_ext. intros r _. now rewrite E, dot_vscal, <- Rmult_minus_distr_l, H.
  - intros x. rewrite Rinv_mult, (Rmult_comm (/ 2)), Rmult_assoc, <- (total_scal m (/ 2)).
    rewrite <- Rmult_plus_distr_l, <- total_plus. f_equal.
    apply total_ext. intros r _. rewrite E, <- Rmult_plus_distr_l, H. field.
  - intros x. rewrite (total_ext m _ (fun r => -1 * (a r * sigma << w r, x >>))), total_scal.
    + ring.
    + intros r _. rewrite E, H. ring.
Qed.
