(** Chapter 06, the fast rate for smooth losses. *)

From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Training lem_frozen thm_ogd cor_any_attack.
Open Scope R_scope.

(** Steep means high: a non-negative function with a Lipschitz slope. *)
Lemma steep_means_high (h h' : R -> R) (beta u : R) :
  0 < beta -> (forall u, 0 <= h u) -> (forall u, is_derive h u (h' u)) -> lipschitz beta h' ->
  h' u ^ 2 <= 2 * beta * h u.
Proof.
  intros Hb H0 D HL.
  assert (T := taylor_1 h h' beta D HL u (u - h' u / beta)).
  apply Rabs_le_between in T. specialize (H0 (u - h' u / beta)).
  replace (u - h' u / beta - u) with (- (h' u / beta)) in T by ring.
  set (q := h' u / beta) in *. assert (E : h' u = beta * q) by (unfold q; field; lra).
  rewrite E in *. nra.
Qed.

Theorem thm_fast_rate :
  forall (V : inner_space) (X : Type) (loss loss' : R -> R -> R) (f : V -> X -> R)
    (c : X -> R) (phi : X -> V) (n : nat) (y : nat -> R) (B : nat -> X -> Prop)
    (C : V -> Prop) (beta G Rad alpha : R) (x : nat -> nat -> X) (w g : nat -> V)
    (w_star : V) (robust : R) (T : nat),
  (* the model is affine in the weights *)
  (forall v x, f v x = c x + << phi x, v >>) ->  (* book: affine in $W$ *)
  (forall i x, B i x -> norm (phi x) <= G) ->
  (* book: $\lVert\nabla_Wf(x)\rVert\le G$ on all $\mathcal{B}(x_i)$ *)
  (* the loss is non-negative, convex and smooth *)
  (forall u y, 0 <= loss u y) ->  (* book: \ell\ge0 *)
  convex_loss loss ->  (* book: convex in $f$ *)
  is_slope loss loss' ->  (* book: derivative *)
  (forall y, lipschitz beta (fun u => loss' u y)) ->  (* book: $\beta$-Lipschitz derivative *)
  0 < beta ->  (* ours: or the next line divides by zero *)
  0 < G ->  (* ours: as the line above *)
  0 < alpha < 1 / (beta * G ^ 2) ->  (* book: 0<\alpha<1/(\beta G^2) *)
  (* the run, with a projection or, for C the whole space, without *)
  (0 < n)%nat ->  (* ours: at least one example *)
  (0 < T)%nat ->  (* ours: at least one round *)
  convex_set C ->  (* book: closed convex set *)
  C (w O) ->  (* book: contains $W_0$ *)
  C w_star ->  (* book: and $W_*$ *)
  (forall t i, (i < n)%nat -> B i (x t i)) ->  (* book: For every attack *)
  (forall t, is_gradient (frozen_loss loss f n y (x t)) (w t) (g t)) ->
  (* book: gradient descent on the frozen losses *)
  (forall t, is_projection C (w t - alpha * g t)%vec (w (S t))) ->
  (* book: without projection, or with one *)
  (* the comparator *)
  norm (w_star - w O) <= Rad ->  (* book: \lVert W_*-W_0\rVert\le R *)
  is_robust_loss loss f n y B w_star robust ->  (* book: +L_*(W *)
  mean T (fun t => frozen_loss loss f n y (x t) (w t)) <=
    (Rad ^ 2 / (2 * alpha * INR T) + robust) / (1 - alpha * beta * G ^ 2)
  (* book: {1-\alpha\beta G^2} *)
  /\
  (robust = 0 -> alpha = 1 / (2 * beta * G ^ 2) ->
   (Rad ^ 2 / (2 * alpha * INR T) + robust) / (1 - alpha * beta * G ^ 2) =
   2 * beta * G ^ 2 * Rad ^ 2 / INR T).
  (* book: $\alpha=1/(2\beta G^2)$, the right side is $2\beta G^2R^2/T$ *)
Proof.
  intros V X loss loss' f c phi n y B C beta G Rad alpha x w g u robust T
    Hf HG Hpos Hconv Hslope Hsmooth Hb HG0 [Ha Ha'] Hn HT HC H0 Hu Hx Hg Hw HR Hrob.
  assert (N : 0 < INR T) by now apply lt_0_INR.
  assert (Ha2 : alpha * beta * G ^ 2 < 1).
  { assert (P : 0 < beta * G ^ 2) by (apply Rmult_lt_0_compat; [easy|apply pow_lt; easy]).
    apply (Rmult_lt_compat_r _ _ _ P) in Ha'. unfold Rdiv in Ha'.
    rewrite Rmult_assoc, Rinv_l in Ha' by lra. lra. }
  split.
  - (* the gradient of the model is phi *)
    assert (Gf : forall v i, is_gradient (fun v => f v i) v (phi i)).
    { intros v i d.
      apply (is_derive_ext (fun s => (c i + << phi i, v >>) + s * << phi i, d >>)).
      - intros s. rewrite Hf. expand. in_reals. ring.
      - auto_derive; [easy|in_reals; ring]. }
    (* gradients: |grad|^2 <= 2 beta G^2 times the loss *)
    assert (S1 : forall t, << g t, g t >> <=
      2 * beta * G ^ 2 * frozen_loss loss f n y (x t) (w t)).
    { intros t.
      assert (E := frozen_gradient loss loss' f n y Hslope (x t) (w t) (g t)
        (fun i => phi (x t i)) ltac:(intros; apply Gf) (Hg t) (g t)).
      set (l := frozen_loss loss f n y (x t) (w t)).
      (* 2 <g,g> = mean of 2 l'_i <phi_i, g> <= mean of G^2 l'_i^2 + <g,g> *)
      assert (B1 : 2 * << g t, g t >> <= G ^ 2 * (2 * beta * l) + << g t, g t >>).
      { rewrite E at 1. unfold l, frozen_loss.
        rewrite <- !mean_scal, <- (mean_const n << g t, g t >>), <- mean_plus by easy.
        apply mean_le. intros i Hi.
        assert (SH := steep_means_high (fun u => loss u (y i)) (fun u => loss' u (y i)) beta
          (f (w t) (x t i)) Hb (fun u => Hpos u (y i)) (fun u => Hslope u (y i)) (Hsmooth (y i))).
        simpl in SH. set (d := loss' (f (w t) (x t i)) (y i)) in *.
        assert (CS := cauchy_schwarz_sqr (phi (x t i)) (g t)).
        assert (PG := norm_le_sqr _ _ (HG i (x t i) (Hx t i Hi))).
        assert (P := dot_pos V (g t)). set (p := << phi (x t i), g t >>) in *.
        set (q := << g t, g t >>) in *. set (ll := loss (f (w t) (x t i)) (y i)) in *.
        assert (A : p ^ 2 <= G ^ 2 * q) by nra.
        assert (A2 : G ^ 2 * d ^ 2 <= G ^ 2 * (2 * beta * ll)) by (apply Rmult_le_compat_l; nra).
        assert (A3 : 2 * G ^ 2 * (d * p) <= G ^ 2 * (G ^ 2 * d ^ 2) + p ^ 2)
          by (assert (Z := pow2_ge_0 (G ^ 2 * d - p)); nra).
        assert (A4 : 0 < G ^ 2) by (apply pow_lt; easy).
        apply Rmult_le_reg_l with (G ^ 2); [easy|]. nra. }
      lra. }
    (* regret *)
    assert (I := descent V C alpha w g u HC Ha Hu Hw T).
    assert (I1 : total T (fun t => frozen_loss loss f n y (x t) (w t) - robust)
      <= total T (fun t => << g t, w t - u >>)).
    { apply total_le. intros t _.
      assert (P := tangent_plane _ (w t) (g t)
        (affine_convex V X loss f c phi n y (x t) Hf Hconv) (Hg t) u).
      assert (F := lem_frozen V X loss f n y B (x t) u robust
        ltac:(intros i Hi; now apply Hx) Hrob).
      expand_in P. expand. lra. }
    assert (I2 : total T (fun t => << g t, g t >>) <=
      2 * beta * G ^ 2 * total T (fun t => frozen_loss loss f n y (x t) (w t))).
    { rewrite <- total_scal. apply total_le. intros t _. apply S1. }
    rewrite total_minus, total_const in I1.
    assert (S5 : << w O - u, w O - u >> <= Rad ^ 2) by (apply norm_le_sqr; now rewrite norm_minus_sym).
    assert (S6 := dot_pos V (w T - u)%vec).
    assert ((<< w O - u, w O - u >> - << w T - u, w T - u >>) / (2 * alpha) <= Rad ^ 2 / (2 * alpha)).
    { apply Rmult_le_compat_r; [|lra]. apply Rlt_le, Rinv_0_lt_compat. lra. }
    unfold mean. set (sum := total T (fun t => frozen_loss loss f n y (x t) (w t))) in *.
    assert (alpha / 2 * total T (fun t => << g t, g t >>) <= alpha / 2 * (2 * beta * G ^ 2 * sum))
      by (apply Rmult_le_compat_l; lra).
    (* solve for the mean *)
    apply Rmult_le_reg_l with (INR T * (1 - alpha * beta * G ^ 2)); [nra|].
    replace (INR T * _ * (sum / INR T)) with ((1 - alpha * beta * G ^ 2) * sum) by (field; lra).
    replace (INR T * _ * (_ / _)) with (Rad ^ 2 / (2 * alpha) + INR T * robust) by (field; lra).
    lra.
  - intros -> ->. field. repeat split; lra.
Qed.
