(** Chapter 07, projected descent on nearly convex losses. *)

From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Training lem_frozen thm_ogd.
Open Scope R_scope.

Theorem thm_projected :
  forall (V : inner_space) (X : Type) (loss : R -> R -> R) (f : V -> X -> R)
    (gradf : V -> X -> V) (n : nat) (y : nat -> R) (B : nat -> X -> Prop)
    (C : V -> Prop) (L G eps_lin D alpha : R)
    (x : nat -> nat -> X) (w g : nat -> V) (w_star : V) (robust : R) (T : nat),
  (* the loss *)
  convex_loss loss ->  (* book: convex and differentiable in the output *)
  (forall u y, ex_derive (fun u => loss u y) u) ->  (* book: differentiable in the output *)
  lipschitz_loss L loss ->  (* book: with Lipschitz constant $L$ *)
  (* the network on C *)
  convex_set C ->  (* book: closed convex set of weights *)
  C (w O) ->  (* book: W_0\in C *)
  (forall v i x', C v -> B i x' -> is_gradient (fun v => f v x') v (gradf v x')) ->
  (* book: \nabla f(W,x') *)
  (forall v i x', C v -> B i x' -> norm (gradf v x') <= G) ->
  (* book: \lVert\nabla f(W,x')\rVert_F\le G *)
  (forall v v' i x', C v -> C v' -> B i x' ->
    Rabs (f v' x' - f v x' - << gradf v x', v' - v >>) <= eps_lin) ->
  (* book: \bigr\rvert\le\varepsilon_{\mathrm{lin}} *)
  (* the run, against any attack *)
  (0 < n)%nat ->  (* ours: at least one example *)
  (0 < T)%nat ->  (* ours: at least one round *)
  0 < alpha ->  (* ours: a positive step *)
  (forall t i, (i < n)%nat -> B i (x t i)) ->  (* book: For every attack *)
  (forall t, is_gradient (frozen_loss loss f n y (x t)) (w t) (g t)) ->  (* book: \nabla\ell_t(W_t) *)
  (forall t, is_projection C (w t - alpha * g t)%vec (w (S t))) ->
  (* book: W_{t+1}=\Pi_C\bigl(W_t-\alpha\nabla\ell_t(W_t)\bigr) *)
  (* the comparator *)
  C w_star ->  (* book: every $W_*\in C$ *)
  norm (w_star - w O) <= D ->  (* book: \lVert W_*-W_0\rVert_F\le D *)
  is_robust_loss loss f n y B w_star robust ->  (* book: \le L_*(W *)
  mean T (fun t => frozen_loss loss f n y (x t) (w t)) <=
    robust + D ^ 2 / (2 * alpha * INR T) + alpha * L ^ 2 * G ^ 2 / 2 + L * eps_lin
  (* book: \frac{D^2}{2\alpha T}\\&+\frac{\alpha L^2G^2}2+L\,\varepsilon_{\mathrm{lin}} *)
  /\
  (0 < D -> 0 < L * G -> alpha = D / (L * G * sqrt (INR T)) ->
   D ^ 2 / (2 * alpha * INR T) + alpha * L ^ 2 * G ^ 2 / 2 = D * L * G / sqrt (INR T)).
  (* book: With $\alpha=D/(LG\sqrt T)$ the two middle terms add up to $DLG/\sqrt T$ *)
Proof.
  intros V X loss f gradf n y B C L G eps D alpha x w g u robust T
    Lconv Lder LL HC H0 Hgrad HG Hlin Hn HT Ha Hx Hg Hw Hu HD Hrob.
  assert (slope : is_slope loss (fun u y => Derive (fun u => loss u y) u)).
  { intros a b. apply Derive_correct, Lder. }
  assert (HCw : forall t, C (w t)) by (intros [|t]; [easy|apply (Hw t)]).
  assert (N : 0 < INR T) by now apply lt_0_INR.
  split.
  - (* the second inequality of the regret theorem, whose proof uses no convexity *)
    assert (I := descent V C alpha w g u HC Ha Hu Hw T).
    (* gradients have norm at most L G *)
    assert (S1 : total T (fun t => << g t, g t >>) <= INR T * (L * G) ^ 2).
    { rewrite <- total_const. apply total_le. intros t _. apply norm_le_sqr.
      apply (frozen_gradient_norm loss _ f n y slope (x t) (w t) (g t) (fun i => gradf (w t) (x t i)));
        try easy.
      - intros i Hi. apply (Hgrad _ i); auto.
      - intros i Hi. apply (HG _ i); auto. }
    (* near-convexity, with the pair w t, u *)
    assert (S2 : forall t, frozen_loss loss f n y (x t) (w t) - frozen_loss loss f n y (x t) u
      <= << g t, w t - u >> + L * eps).
    { intros t.
      assert (P := nearly_convex loss _ f n y slope (x t) (w t) (g t)
        (fun i => gradf (w t) (x t i))
        ltac:(intros i Hi; apply (Hgrad _ i); auto) Hn L eps u Lconv LL (Hg t)
        ltac:(intros i Hi; apply (Hlin _ _ i); auto)).
      expand_in P. expand. lra. }
    (* the frozen-attack inequality *)
    assert (S3 : forall t, frozen_loss loss f n y (x t) u <= robust).
    { intros t. apply (lem_frozen V X loss f n y B); [intros i Hi; now apply Hx|easy]. }
    (* take averages *)
    assert (S4 : total T (fun t => frozen_loss loss f n y (x t) (w t)) <=
      total T (fun t => << g t, w t - u >> + (robust + L * eps))).
    { apply total_le. intros t _. specialize (S2 t). specialize (S3 t). lra. }
    rewrite total_plus, total_const in S4.
    assert (S5 : << w O - u, w O - u >> <= D ^ 2) by (apply norm_le_sqr; now rewrite norm_minus_sym).
    assert (S6 := dot_pos V (w T - u)%vec).
    assert ((<< w O - u, w O - u >> - << w T - u, w T - u >>) / (2 * alpha) <= D ^ 2 / (2 * alpha)).
    { apply Rmult_le_compat_r; [|lra]. apply Rlt_le, Rinv_0_lt_compat. lra. }
    assert (alpha / 2 * total T (fun t => << g t, g t >>) <= alpha / 2 * (INR T * (L * G) ^ 2))
      by (apply Rmult_le_compat_l; lra).
    unfold mean. apply Rmult_le_reg_l with (INR T); [easy|].
    replace (INR T * (total T _ / INR T)) with
      (total T (fun t => frozen_loss loss f n y (x t) (w t))) by (field; lra).
    replace (INR T * _) with (D ^ 2 / (2 * alpha) + alpha / 2 * (INR T * (L * G) ^ 2)
      + INR T * (robust + L * eps)) by (field; lra).
    lra.
  - (* the tuned step *)
    intros HD0 HLG ->. assert (Q := sqrt_lt_R0 _ N).
    assert (EQ : INR T = sqrt (INR T) * sqrt (INR T)) by (symmetry; apply sqrt_sqrt; lra).
    set (q := sqrt (INR T)) in *. rewrite EQ.
    assert (L <> 0) by (intros ->; lra). assert (G <> 0) by (intros ->; lra).
    field. repeat split; lra.
Qed.
