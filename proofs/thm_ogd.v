(** Chapter 06, regret of online gradient descent. *)

From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common.
Open Scope R_scope.

(** Second inequality of the theorem: it uses the projection, and of [g] nothing at all. *)
Lemma descent (V : inner_space) (C : V -> Prop) (alpha : R) (w g : nat -> V) (u : V) :
  convex_set C -> 0 < alpha -> C u ->
  (forall t, is_projection C (w t - alpha * g t)%vec (w (S t))) ->
  forall T, total T (fun t => << g t, w t - u >>) <=
    (<< w O - u, w O - u >> - << w T - u, w T - u >>) / (2 * alpha)
    + alpha / 2 * total T (fun t => << g t, g t >>).
Proof.
  intros HC Ha Hu Hw T.
  (* one step: projection brings nothing further away, then multiply out *)
  assert (step : forall t, << w (S t) - u, w (S t) - u >> <=
    << w t - u, w t - u >> - 2 * alpha * << g t, w t - u >> + alpha ^ 2 * << g t, g t >>).
  { intros t. rewrite <- sqr_step. now apply projection_contracts with C. }
  (* all steps: solve for the inner product and sum; the squared distances telescope *)
  assert (E := total_telescope T (fun t => << w t - u, w t - u >>)). simpl in E.
  assert (S : total T (fun t => << w (S t) - u, w (S t) - u >> - << w t - u, w t - u >>) <=
    total T (fun t => (-2 * alpha) * << g t, w t - u >> + alpha ^ 2 * << g t, g t >>)).
  { apply total_le. intros t _. specialize (step t). lra. }
  rewrite total_plus, !total_scal, E in S.
  apply Rmult_le_reg_l with (2 * alpha); [lra|].
  replace (2 * alpha * (_ / _ + _)) with
    (<< w O - u, w O - u >> - << w T - u, w T - u >>
     + alpha ^ 2 * total T (fun t => << g t, g t >>)) by (field; lra). lra.
Qed.

Theorem thm_ogd :
  forall (V : inner_space) (C : V -> Prop) (loss : nat -> V -> R) (w g : nat -> V)
    (alpha : R) (u : V),
  convex_set C ->  (* book: closed convex set *)
  C (w O) ->  (* book: W_0\in C *)
  C u ->  (* book: W\in C *)
  0 < alpha ->  (* book: \alpha>0 *)
  (forall t, convex_function (loss t)) ->  (* book: convex and differentiable *)
  (forall t, is_gradient (loss t) (w t) (g t)) ->  (* book: \nabla\ell_t(W_t) *)
  (forall t, is_projection C (w t - alpha * g t)%vec (w (S t))) ->
  (* book: W_{t+1}=\Pi_C\bigl(W_t-\alpha\nabla\ell_t(W_t)\bigr) *)
  forall T,
  total T (fun t => loss t (w t) - loss t u) <= total T (fun t => << g t, w t - u >>)
  (* book: \sum_{t=0}^{T-1}\langle\nabla\ell_t(W_t),W_t-W\rangle *)
  /\
  total T (fun t => << g t, w t - u >>) <=
    (norm (w O - u) ^ 2 - norm (w T - u) ^ 2) / (2 * alpha)
    + alpha / 2 * total T (fun t => norm (g t) ^ 2)
  (* book: {2\alpha}+\frac\alpha2\sum_{t=0}^{T-1}\lVert\nabla\ell_t(W_t)\rVert^2 *)
  /\
  forall R L G,
  norm (u - w O) <= R ->  (* book: \lVert W-W_0\rVert\le R *)
  (forall t, norm (g t) <= L * G) ->  (* book: \lVert\nabla\ell_t(W_t)\rVert\le LG *)
  (0 < T)%nat ->  (* ours: at least one round *)
  mean T (fun t => loss t (w t) - loss t u) <=
    R ^ 2 / (2 * alpha * INR T) + alpha * L ^ 2 * G ^ 2 / 2
  (* book: \frac{R^2}{2\alpha T}+\frac{\alpha L^2G^2}2 *)
  /\
  (0 < R -> 0 < L * G -> alpha = R / (L * G * sqrt (INR T)) ->
   R ^ 2 / (2 * alpha * INR T) + alpha * L ^ 2 * G ^ 2 / 2 = R * L * G / sqrt (INR T)).
  (* book: $RLG/\sqrt T$ for the *tuned step* $\alpha=R/(LG\sqrt T)$ *)
Proof.
  intros V C loss w g alpha u HC H0 Hu Ha Hconv Hgrad Hstep T.
  (* first inequality: convexity *)
  assert (I1 : total T (fun t => loss t (w t) - loss t u) <= total T (fun t => << g t, w t - u >>)).
  { apply total_le. intros t _.
    assert (P := tangent_plane (loss t) (w t) (g t) (Hconv t) (Hgrad t) u).
    expand_in P. expand. lra. }
  (* second inequality: the lemma above *)
  assert (I2 := descent V C alpha w g u HC Ha Hu Hstep T).
  assert (E : total T (fun t => norm (g t) ^ 2) = total T (fun t => << g t, g t >>)).
  { apply total_ext. intros. apply norm_sqr. }
  split; [easy|split; [now rewrite !norm_sqr, E|]].
  intros R L G HR HG HT. assert (N : 0 < INR T) by now apply lt_0_INR.
  split.
  - (* insertion *)
    assert (S1 : total T (fun t => << g t, g t >>) <= INR T * (L * G) ^ 2).
    { rewrite <- total_const. apply total_le. intros t _. now apply norm_le_sqr. }
    assert (S2 : << w O - u, w O - u >> <= R ^ 2) by (apply norm_le_sqr; now rewrite norm_minus_sym).
    assert (S3 := dot_pos V (w T - u)%vec).
    unfold mean. apply Rmult_le_reg_l with (INR T); [easy|].
    replace (INR T * (total T _ / INR T)) with (total T (fun t => loss t (w t) - loss t u))
      by (field; lra).
    replace (INR T * _) with (R ^ 2 / (2 * alpha) + alpha / 2 * (INR T * (L * G) ^ 2))
      by (field; lra).
    assert ((<< w O - u, w O - u >> - << w T - u, w T - u >>) / (2 * alpha) <= R ^ 2 / (2 * alpha)).
    { apply Rmult_le_compat_r; [|lra]. apply Rlt_le, Rinv_0_lt_compat. lra. }
    assert (alpha / 2 * total T (fun t => << g t, g t >>) <= alpha / 2 * (INR T * (L * G) ^ 2))
      by (apply Rmult_le_compat_l; lra).
    lra.
  - (* the tuned step makes the two terms equal *)
    intros HR0 HLG ->. assert (Q := sqrt_lt_R0 _ N).
    assert (EQ : INR T = sqrt (INR T) * sqrt (INR T)) by (symmetry; apply sqrt_sqrt; lra).
    set (q := sqrt (INR T)) in *. rewrite EQ.
    assert (L <> 0) by (intros ->; lra). assert (G <> 0) by (intros ->; lra).
    field. repeat split; lra.
Qed.
